//! From a file's text to policies, or to all that is wrong with it.

mod contradictions;
mod rules;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use cofferdam_model::{WallTime, glob};

use crate::document::{self, Document};
use crate::select::{GUARDED_NAMESPACES, Selector};
use crate::yaml::{self, Place, Placed};
use crate::{Mode, Policy, Refusal, Refused, Rule};

/// How long an exception may hold, from its first acceptance on.
pub const EXCEPTION_MAX: Duration = Duration::from_hours(30 * 24);

const API_VERSION: &str = "cofferdam.dev/v1alpha1";
const KIND: &str = "ContainmentPolicy";

/// When exceptions were first accepted: applying one again does not renew it.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    /// The moment of those that are new.
    pub now: WallTime,
    /// The moments of the others, by [`exception_key`].
    pub first: &'a BTreeMap<String, WallTime>,
}

/// By what an exception is known again: not by its expiry, nor by its reason.
pub fn exception_key(policy: &str, rule: &str, allow: &crate::Allow) -> String {
    format!("{policy} {rule}: {allow}")
}

/// The policies of a file, which may hold several documents.
///
/// # Errors
/// All that is wrong with it, with file, line, column, field and reason. A file is refused as a whole.
pub fn parse(file: &Path, text: &str, acceptance: Acceptance<'_>) -> Result<Vec<Policy>, Refused> {
    let documents: Vec<Document> = yaml::documents(file, text)?;
    if documents.is_empty() {
        // A file that lost its content must not lift what it said.
        let reason = "holds no policy; to lift what it said before, remove the file".to_owned();
        let at = Some(Place { line: 1, column: 1 });
        return Err(Refused(vec![Refusal { file: file.to_owned(), at, field: None, reason }]));
    }
    let mut checker = Checker { acceptance, refusals: Vec::new(), policy: String::new() };
    let policies: Vec<Option<Policy>> = documents.iter().map(|it| checker.policy(it)).collect();
    checker.names_are_unique(&documents);
    if !checker.refusals.is_empty() {
        let placed = checker.refusals.into_iter();
        return Err(Refused(placed.map(|it| Refusal { file: file.to_owned(), ..it }).collect()));
    }
    Ok(policies.into_iter().flatten().collect())
}

/// Collects what is wrong. What returns an option has refused where it returns none.
struct Checker<'a> {
    acceptance: Acceptance<'a>,
    refusals: Vec<Refusal>,
    /// Name of the policy at hand.
    policy: String,
}

impl Checker<'_> {
    fn refuse(&mut self, at: Place, field: impl Into<String>, reason: impl Into<String>) {
        let (field, reason) = (Some(field.into()), reason.into());
        self.refusals.push(Refusal { file: Default::default(), at: Some(at), field, reason });
    }

    fn policy(&mut self, document: &Document) -> Option<Policy> {
        let Document { api_version, kind, metadata, spec } = document;
        self.is_word("apiVersion", api_version, API_VERSION);
        self.is_word("kind", kind, KIND);
        self.is_name("metadata.name", &metadata.name);
        if let Some(namespace) = &metadata.namespace {
            self.is_name("metadata.namespace", namespace);
        }
        self.policy = match &metadata.namespace {
            Some(namespace) => format!("{}/{}", namespace.value, metadata.name.value),
            None => metadata.name.value.clone(),
        };
        let opt_in = self.opt_in(&spec.opt_in);
        let selector = self.selector(&spec.selector, metadata, &opt_in);
        let mut rules = self.rules(spec);
        self.ids_are_unique(spec);
        self.exceptions(spec, &mut rules);
        self.contradictions(spec, &rules);
        if rules.is_empty() {
            self.refuse(spec.selector.at, "spec", "has no rule");
        }
        let namespace = metadata.namespace.as_ref().map(|it| it.value.clone());
        let rules: Vec<Rule> = rules.into_iter().map(|(_, rule)| rule).collect();
        Some(Policy { name: self.policy.clone(), namespace, selector: selector?, opt_in, rules })
    }

    fn is_word(&mut self, field: &str, given: &Placed<String>, expected: &str) {
        if given.value != expected {
            self.refuse(given.at, field, format!("`{}` is not known; write {expected}", given.value));
        }
    }

    fn is_name(&mut self, field: &str, given: &Placed<String>) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if given.value.is_empty() || given.value.len() > 253 || !given.value.bytes().all(fits) {
            let reason = format!("`{}` is no name; use letters, digits, `-`, `_` and `.`", given.value);
            self.refuse(given.at, field, reason);
        }
    }

    fn opt_in(&mut self, given: &[Placed<String>]) -> BTreeSet<String> {
        for namespace in given {
            if !GUARDED_NAMESPACES.contains(&namespace.value.as_str()) {
                let guarded = GUARDED_NAMESPACES.join(", ");
                let reason = format!("`{}` needs no opt-in; only these do: {guarded}", namespace.value);
                self.refuse(namespace.at, "spec.optIn", reason);
            }
        }
        given.iter().map(|it| it.value.clone()).collect()
    }

    fn selector(
        &mut self,
        given: &Placed<document::Selector>,
        metadata: &document::Metadata,
        opt_in: &BTreeSet<String>,
    ) -> Option<Selector> {
        let before = self.refusals.len();
        let document::Selector { match_labels, namespace, container, image, unit, cgroup, workload } =
            &given.value;
        let mut glob_of = |name: &str, pattern: &Option<Placed<String>>| {
            pattern.as_ref().and_then(|it| self.text(&format!("spec.selector.{name}"), it))
        };
        let mut selector = Selector {
            labels: match_labels.clone(),
            namespaces: glob_of("namespace", namespace).into_iter().collect(),
            container: glob_of("container", container),
            image: glob_of("image", image),
            unit: glob_of("unit", unit),
            cgroup: glob_of("cgroup", cgroup),
            workload: glob_of("workload", workload),
        };
        if selector.is_empty() && self.refusals.len() == before {
            let reason = "names nothing; to select every workload write `workload: \"*\"`";
            self.refuse(given.at, "spec.selector", reason);
        }
        if let (Some(named), Some(own)) = (namespace, &metadata.namespace)
            && !glob(&named.value, &own.value)
        {
            let reason = format!("a policy of namespace {} selects workloads of it only", own.value);
            self.refuse(named.at, "spec.selector.namespace", reason);
        }
        for named in namespace.iter().chain(&metadata.namespace) {
            if GUARDED_NAMESPACES.contains(&named.value.as_str()) && !opt_in.contains(&named.value) {
                let reason = format!("{0} is left alone unless `spec.optIn: [{0}]` says so", named.value);
                self.refuse(named.at, "spec.selector.namespace", reason);
            }
        }
        selector.namespaces.extend(metadata.namespace.iter().map(|it| it.value.clone()));
        Some(selector)
    }

    fn names_are_unique(&mut self, documents: &[Document]) {
        let mut seen = BTreeSet::new();
        for document::Metadata { name, namespace } in documents.iter().map(|it| &it.metadata) {
            if !seen.insert((namespace.as_ref().map(|it| &it.value), &name.value)) {
                self.refuse(name.at, "metadata.name", format!("`{}` is named twice", name.value));
            }
        }
    }
}

/// The mode of a rule.
fn mode(spec: &document::Spec, given: Option<Mode>) -> Mode {
    given.or(spec.mode).unwrap_or(Mode::Enforce)
}
