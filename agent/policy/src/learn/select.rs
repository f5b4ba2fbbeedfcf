//! Which workloads are learnt from, and the selector that they have in common.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{Workload, WorkloadKind};

use super::{Lesson, Unlearnable, is_asked, literal};
use crate::is_guarded;

/// Labels that differ from one instance to the next.
const VOLATILE: &[&str] = &[
    "pod-template-hash",
    "pod-template-generation",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
];

/// What a policy is called and which workloads it is for.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub name: String,
    pub namespace: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Further fields with their globs.
    pub fields: Vec<(&'static str, String)>,
}

/// The workloads, with their numbers.
pub(super) fn chosen<'a>(lesson: &Lesson<'a>) -> Result<Vec<(u32, &'a Workload)>, Unlearnable> {
    let all = lesson.known.workloads.iter().zip(0..).map(|(workload, number)| (number, workload));
    let fit: Vec<_> = all.filter(|(_, workload)| is_asked(lesson, workload) && !workload.sandbox).collect();
    if fit.is_empty() {
        return Err(Unlearnable::Unknown(lesson.workload.to_owned()));
    }
    let free: Vec<_> = fit.into_iter().filter(|(_, workload)| !is_guarded(workload)).collect();
    if free.is_empty() { Err(Unlearnable::Guarded(lesson.workload.to_owned())) } else { Ok(free) }
}

/// The selector that they have in common.
pub(super) fn selector(lesson: &Lesson<'_>, workloads: &[&Workload]) -> Result<Selected, Unlearnable> {
    let several = || Unlearnable::Several(lesson.workload.to_owned());
    let kinds: BTreeSet<u8> = workloads.iter().map(|it| kind(it)).collect();
    let namespaces: BTreeSet<Option<&str>> = workloads.iter().map(|it| it.namespace.as_deref()).collect();
    let (Some(kind), Some(namespace)) = (kinds.first(), namespaces.first()) else { return Err(several()) };
    if kinds.len() > 1 || namespaces.len() > 1 {
        return Err(several());
    }
    let container = common(workloads, |it| it.container.clone());
    let mut out = Selected { namespace: namespace.map(str::to_owned), ..Selected::default() };
    let by_name = |out: &mut Selected| out.fields.push(("workload", lesson.workload.to_owned()));
    match kind {
        POD => {
            out.labels = labels(workloads);
            if out.labels.is_empty() {
                by_name(&mut out);
            }
            out.fields.extend(container.iter().map(|name| ("container", literal(name))));
        }
        CONTAINER => match &container {
            Some(name) => out.fields.push(("container", literal(name))),
            None => by_name(&mut out),
        },
        UNIT => match common(workloads, unit) {
            Some(unit) => out.fields.push(("unit", literal(&unit))),
            None => by_name(&mut out),
        },
        _ => by_name(&mut out),
    }
    let app = out.labels.get("app.kubernetes.io/name").or_else(|| out.labels.get("app")).cloned();
    let name = app.or(container).or_else(|| common(workloads, unit));
    out.name = slug(name.as_deref().unwrap_or(lesson.workload));
    Ok(out)
}

const POD: &u8 = &0;
const CONTAINER: &u8 = &1;
const UNIT: &u8 = &2;

fn kind(workload: &Workload) -> u8 {
    match workload.kind {
        WorkloadKind::PodContainer { .. } => *POD,
        WorkloadKind::Container { .. } => *CONTAINER,
        WorkloadKind::Unit { .. } => *UNIT,
        WorkloadKind::Host | WorkloadKind::Other => 3,
    }
}

fn unit(workload: &Workload) -> Option<String> {
    match &workload.kind {
        WorkloadKind::Unit { unit } => Some(unit.clone()),
        _ => None,
    }
}

fn common(workloads: &[&Workload], of: impl Fn(&Workload) -> Option<String>) -> Option<String> {
    let all: BTreeSet<Option<String>> = workloads.iter().map(|it| of(it)).collect();
    if all.len() == 1 { all.into_iter().next().flatten() } else { None }
}

fn labels(workloads: &[&Workload]) -> BTreeMap<String, String> {
    let Some((first, rest)) = workloads.split_first() else { return BTreeMap::new() };
    let stable = first.labels.iter().filter(|(key, value)| {
        !VOLATILE.contains(&key.as_str()) && rest.iter().all(|it| it.labels.get(*key) == Some(value))
    });
    stable.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A name that a policy and its rules may have.
pub(super) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c.to_ascii_lowercase()),
            _ if out.is_empty() || out.ends_with('-') => {}
            _ => out.push('-'),
        }
    }
    out.truncate(60);
    let out = out.trim_end_matches('-');
    if out.is_empty() { "learnt".to_owned() } else { out.to_owned() }
}
