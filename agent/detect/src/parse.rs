//! From a file's text to rules, or to all that is wrong with each.

use std::path::Path;
use std::time::Duration;

use cofferdam_model::{Contain, Response, Severity};
use cofferdam_policy::yaml::{self, Place, Placed, duration};
use cofferdam_policy::{Refusal, Refused};

use crate::condition::Condition;
use crate::document::{Count, Document, Spec};
use crate::facts::Kind;
use crate::place;
use crate::rule::{By, Counted, More, Rule, Step};

const API_VERSION: &str = "cofferdam.dev/v1alpha1";
const KIND: &str = "DetectionRule";
/// Steps after the first at most.
const STEPS_MAX: usize = 4;
/// How long a rule may wait for what it takes: its state is kept meanwhile.
const WITHIN_MAX: Duration = Duration::from_hours(24);
const COUNT_MAX: u32 = 10_000;
const EVERY: Duration = Duration::from_secs(600);
/// Tells each.
const ALWAYS: &str = "0s";

/// The rules of a file, which may hold several documents. Rules are independent of each other: one that is wrong does not
/// keep the others from running.
///
/// # Errors
/// If the file is no list of rules at all; with its place.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Result<Rule, Refused>>, Refused> {
    let documents: Vec<Document> = yaml::documents(file, text)?;
    Ok(documents.iter().map(|document| Checker { file, text, refusals: Vec::new() }.rule(document)).collect())
}

struct Checker<'a> {
    file: &'a Path,
    text: &'a str,
    refusals: Vec<Refusal>,
}

impl Checker<'_> {
    fn refuse(&mut self, at: Place, field: &str, reason: impl Into<String>) {
        let (field, reason) = (Some(field.to_owned()), reason.into());
        self.refusals.push(Refusal { file: self.file.to_owned(), at: Some(at), field, reason });
    }

    fn rule(mut self, document: &Document) -> Result<Rule, Refused> {
        for (field, is, must) in
            [("apiVersion", &document.api_version, API_VERSION), ("kind", &document.kind, KIND)]
        {
            if is.value != must {
                self.refuse(is.at, field, format!("must be {must}"));
            }
        }
        let rule = self.understood(&document.metadata.name, &document.spec);
        match rule {
            Some(rule) if self.refusals.is_empty() => Ok(rule),
            _ => {
                self.refusals.sort_by_key(|it| it.at.map(|at| (at.line, at.column)));
                Err(Refused(self.refusals))
            }
        }
    }

    fn understood(&mut self, name: &Placed<String>, spec: &Spec) -> Option<Rule> {
        self.is_name(name);
        if spec.title.value.trim().is_empty() {
            self.refuse(spec.title.at, "spec.title", "says nothing: write what has happened");
        }
        for technique in &spec.technique {
            if !is_technique(&technique.value) {
                self.refuse(
                    technique.at,
                    "spec.technique",
                    "is no ATT&CK technique; one is T1552 or T1552.001",
                );
            }
        }
        let severity =
            self.word("spec.severity", &spec.severity, |text| text.parse::<Severity>().ok(), Severity::WORDS);
        let first = self.step("spec", &spec.on, &spec.when);
        let more = self.more(spec);
        let by = self.by(spec);
        let every = match &spec.every {
            Some(every) if every.value == ALWAYS => Some(Duration::ZERO),
            Some(every) => self.time("spec.every", every),
            None => Some(EVERY),
        };
        let contain = match &spec.response.contain {
            Some(contain) => self.word(
                "spec.response.contain",
                contain,
                |text| text.parse::<Contain>().ok(),
                Contain::WORDS,
            ),
            None => Some(Contain::None),
        };
        Some(Rule {
            name: name.value.clone(),
            at: name.at,
            title: spec.title.value.trim().to_owned(),
            severity: severity?,
            techniques: spec.technique.iter().map(|it| it.value.clone()).collect(),
            first: first?,
            more: more?,
            by: by?,
            every: every?,
            response: Response { contain: contain?, revoke: spec.response.revoke },
        })
    }

    fn is_name(&mut self, name: &Placed<String>) {
        let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if name.value.is_empty() || name.value.len() > 63 || !name.value.chars().all(fits) {
            self.refuse(name.at, "metadata.name", "must be 1 to 63 of a-z, 0-9 and -");
        }
    }

    fn word<T>(
        &mut self,
        field: &str,
        word: &Placed<String>,
        of: impl Fn(&str) -> Option<T>,
        words: &[&str],
    ) -> Option<T> {
        let found = of(&word.value);
        if found.is_none() {
            self.refuse(
                word.at,
                field,
                format!("is `{}`; it must be one of {}", word.value, words.join(", ")),
            );
        }
        found
    }

    fn step(&mut self, field: &str, on: &Placed<String>, when: &Placed<String>) -> Option<Step> {
        let names = Kind::ALL.map(Kind::name);
        let of = |text: &str| Kind::ALL.into_iter().find(|kind| kind.name() == text);
        let on = self.word(&format!("{field}.on"), on, of, &names)?;
        match Condition::parse(&when.value, &on.fields()) {
            Ok(when) => Some(Step { on, when }),
            Err(mistake) => {
                let (at, reason) = match place::of_mistake(self.text, when.at, &when.value, &mistake) {
                    Some(at) => (at, mistake.reason),
                    None => (when.at, format!("at {mistake}")),
                };
                self.refuse(at, &format!("{field}.when"), reason);
                None
            }
        }
    }

    fn more(&mut self, spec: &Spec) -> Option<More> {
        match (&spec.count, spec.then.as_slice()) {
            (None, []) => Some(More::Nothing),
            (Some(count), []) => self.count(count),
            (Some(count), _) => {
                self.refuse(count.of.at, "spec.count", "stands beside `then`: a rule has one of the two");
                None
            }
            (None, steps) => {
                if let Some(step) = steps.get(STEPS_MAX) {
                    self.refuse(step.on.at, "spec.then", format!("has more than {STEPS_MAX} steps"));
                }
                let steps: Vec<_> = steps
                    .iter()
                    .map(|it| {
                        let step = self.step("spec.then", &it.on, &it.when);
                        step.zip(self.time("spec.then.within", &it.within))
                    })
                    .collect();
                Some(More::Then(steps.into_iter().collect::<Option<_>>()?))
            }
        }
    }

    fn count(&mut self, count: &Count) -> Option<More> {
        let of = |text: &str| match text {
            "events" => Some(Counted::Events),
            "secrets" => Some(Counted::Secrets),
            _ => None,
        };
        let of = self.word("spec.count.of", &count.of, of, &["events", "secrets"]);
        let at_least = count.at_least.value;
        if !(2..=COUNT_MAX).contains(&at_least) {
            self.refuse(count.at_least.at, "spec.count.atLeast", format!("must be 2 to {COUNT_MAX}"));
        }
        let within = self.time("spec.count.within", &count.within);
        Some(More::Count { of: of?, at_least, within: within? })
    }

    fn by(&mut self, spec: &Spec) -> Option<By> {
        let of = |text: &str| match text {
            "process" => Some(By::Process),
            "tree" => Some(By::Tree),
            "workload" => Some(By::Workload),
            _ => None,
        };
        match &spec.by {
            Some(by) => self.word("spec.by", by, of, &["process", "tree", "workload"]),
            None => Some(By::Workload),
        }
    }

    fn time(&mut self, field: &str, text: &Placed<String>) -> Option<Duration> {
        let time = duration::seconds(&text.value).map(|seconds| Duration::from_secs(seconds.into()));
        let time = time.filter(|time| *time <= WITHIN_MAX);
        if time.is_none() {
            self.refuse(text.at, field, "is no time up to a day; one is 30s, 10m or 24h");
        }
        time
    }
}

/// `T1552` or `T1552.001`.
fn is_technique(text: &str) -> bool {
    let digits =
        |text: &str, number: usize| text.len() == number && text.bytes().all(|it| it.is_ascii_digit());
    let Some(text) = text.strip_prefix('T') else { return false };
    match text.split_once('.') {
        Some((technique, part)) => digits(technique, 4) && digits(part, 3),
        None => digits(text, 4),
    }
}
