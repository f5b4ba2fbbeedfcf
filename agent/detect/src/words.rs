//! A rule in words.

use std::time::Duration;

use cofferdam_model::{Contain, Response};

use crate::condition::Field;
use crate::facts::Kind;
use crate::rule::{By, Counted, More, Rule, Step};

/// What it waits for, step by step, and the condition of each.
pub fn sentences(rule: &Rule) -> Vec<(String, &str)> {
    let first = thing(rule.first.on);
    match &rule.more {
        More::Nothing => vec![(format!("It waits for {first} of which this holds:"), rule.first.when.text())],
        More::Count { of, at_least, within } => {
            let what = match of {
                Counted::Events => format!("{first}, {at_least} times"),
                Counted::Secrets => format!("accesses to {at_least} different secrets"),
            };
            let within = lasting(*within);
            let sentence =
                format!("It waits for {what} within {within}, {}, of which this holds:", of_whom(rule.by));
            vec![(sentence, rule.first.when.text())]
        }
        More::Then(steps) => {
            let begin = (format!("It waits for {first} of which this holds:"), rule.first.when.text());
            let then = steps.iter().map(|(step, within)| {
                let (on, within, whom) = (thing(step.on), lasting(*within), of_whom(rule.by));
                (
                    format!("and then, within {within}, for {on}, {whom}, of which this holds:"),
                    step.when.text(),
                )
            });
            std::iter::once(begin).chain(then).collect()
        }
    }
}

/// What it does besides waiting.
pub fn closing(rule: &Rule) -> Vec<String> {
    let same = match rule.by {
        By::Process => "process",
        By::Tree => "process tree",
        By::Workload => "workload",
    };
    let every = match rule.every {
        Duration::ZERO => "Each time is told.".to_owned(),
        every => {
            format!("Of one {same} it tells once in {}; what it finds besides is counted.", lasting(every))
        }
    };
    let wants = match wants(rule.response) {
        Some(wanted) => format!("It wants: {wanted}. Whether that is done or proposed is configured."),
        None => "It wants nothing done.".to_owned(),
    };
    let unknown = "What is not known of an event is neither true nor false: a condition that depends on it does not hold, \
                   and is counted as undecided."
        .to_owned();
    vec![every, wants, unknown]
}

/// `30s`, `10m`, `2h`: as rules write it.
fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        seconds if seconds > 0 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

const fn thing(kind: Kind) -> &'static str {
    match kind {
        Kind::Access => "an access to a secret",
        Kind::Connection => "a connection",
        Kind::Attempt => "an attempt at something else that a policy decides",
    }
}

const fn of_whom(by: By) -> &'static str {
    match by {
        By::Process => "by the same process",
        By::Tree => "by the process that came into the workload or what it started",
        By::Workload => "by the same workload",
    }
}

/// The fields of a kind of event that the rule asks for.
pub fn asked(rule: &Rule, kind: Kind) -> Vec<Field> {
    let then: &[(Step, Duration)] = match &rule.more {
        More::Then(steps) => steps,
        More::Nothing | More::Count { .. } => &[],
    };
    let steps = std::iter::once(&rule.first).chain(then.iter().map(|(step, _)| step));
    let of_kind: Vec<&Step> = steps.filter(|step| step.on == kind).collect();
    kind.fields()
        .into_iter()
        .enumerate()
        .filter(|(number, _)| of_kind.iter().any(|step| step.when.asks(*number)))
        .map(|(_, field)| field)
        .collect()
}

/// What is wanted, as `credential denied, credential revoked`; `None`: nothing.
pub fn wants(response: Response) -> Option<String> {
    let contain = match response.contain {
        Contain::None => None,
        Contain::Credential => Some("credential denied"),
        Contain::Workload => Some("workload cut off"),
    };
    let wanted: Vec<&str> =
        contain.into_iter().chain(response.revoke.then_some("credential revoked")).collect();
    (!wanted.is_empty()).then(|| wanted.join(", "))
}
