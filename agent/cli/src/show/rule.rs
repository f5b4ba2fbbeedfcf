//! `rules`: detection rules as tables, and one of them in words.

use std::time::Duration;

use cofferdam_detect::condition::Field;
use cofferdam_detect::{By, Counted, Entry, Kind, More, Rule, Step};
use cofferdam_model::{Contain, Response};
use serde_json::{Value, json};

use super::access::or_dash;
use super::detection::severity;
use super::{count_of, number};
use crate::app::{CheckedRules, ListedRule};
use crate::screen::Screen;
use crate::table::{Cell, Table, indented};
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

/// The rules, and what they have done if an agent says so.
pub(crate) fn rule_table(rows: &[ListedRule], without_agent: Option<&str>, screen: Screen) -> Vec<Line> {
    let mut titles = vec!["RULE", "SEVERITY", "TECHNIQUES", "WANTS", "FOUND>", "WITHHELD>", "UNDECIDED>"];
    if screen.wide {
        titles.extend(["CUT>", "FORGOTTEN>", "FROM"]);
    }
    let mut table = Table::new(&titles);
    for row in rows {
        let mut name = Line::of(PLAIN, &row.name);
        if row.off == Some(true) {
            name.push(NOTABLE, " [off]");
        }
        let wants = wants(Response { contain: row.contain, revoke: row.revoke });
        let mut cells = vec![
            name.into(),
            severity(row.severity).into(),
            Cell::new(PLAIN, row.techniques.join(" ")),
            or_dash(wants),
            count(row.found),
            count(row.withheld),
            count(row.undecided),
        ];
        if screen.wide {
            cells.extend([
                count(row.cut),
                count(row.forgotten),
                Cell::new(DIM, row.file.as_deref().unwrap_or("built in")),
            ]);
        }
        table.row(cells);
    }
    let mut lines = table.into_lines(screen.columns);
    if let Some(why) = without_agent {
        lines.push(Line::new());
        lines.push(Line::of(DIM, format!("nothing is counted: {why}")));
    }
    lines
}

fn count(count: Option<u64>) -> Cell {
    or_dash(count.filter(|count| *count > 0).map(number))
}

/// `credential denied, revoked`.
fn wants(response: Response) -> Option<String> {
    let contain = match response.contain {
        Contain::None => None,
        Contain::Credential => Some("credential denied"),
        Contain::Workload => Some("workload cut off"),
    };
    let wanted: Vec<&str> =
        contain.into_iter().chain(response.revoke.then_some("credential revoked")).collect();
    (!wanted.is_empty()).then(|| wanted.join(", "))
}

/// What was found in files of rules.
pub(crate) fn checked_rules(checked: &CheckedRules) -> Vec<Line> {
    let refused = |it: &cofferdam_policy::Refusal| Line::of(BAD, "refused ").with(PLAIN, it.to_string());
    let mut lines: Vec<Line> = checked.refusals.iter().map(refused).collect();
    if !lines.is_empty() {
        lines.push(Line::new());
    }
    let rules = count_of(checked.rules.len() as u64, "rule");
    lines.push(match checked.refusals.len() as u64 {
        0 => Line::of(GOOD, "clean").with(PLAIN, format!(": {rules}")),
        refused => Line::of(BAD, count_of(refused, "refusal")).with(PLAIN, format!(", {rules} understood")),
    });
    lines
}

/// What a rule waits for.
pub(crate) fn rule(Entry { rule, file }: &Entry, columns: Option<usize>) -> Vec<Line> {
    let from = file.as_ref().map_or_else(|| "built in".to_owned(), |file| file.display().to_string());
    let mut facts = severity(rule.severity);
    facts.push(DIM, format!(", {}, {from}", rule.techniques.join(" ")));
    let mut lines =
        vec![Line::of(BOLD, &rule.name).with(PLAIN, format!(": {}", rule.title)), facts, Line::new()];
    for (sentence, condition) in sentences(rule) {
        lines.push(Line::of(PLAIN, sentence));
        for line in condition.lines() {
            lines.extend(indented(Line::of(BOLD, line.trim()), columns));
        }
    }
    lines.push(Line::new());
    lines.extend(
        closing(rule).into_iter().flat_map(|it| Line::of(PLAIN, it).wrapped(columns.unwrap_or(usize::MAX))),
    );
    for kind in Kind::ALL {
        let table = fields(rule, kind);
        if !table.is_empty() {
            lines.push(Line::new());
            lines.extend(table.into_lines(columns));
        }
    }
    lines
}

/// The same for programs.
pub(crate) fn rule_document(Entry { rule, file }: &Entry) -> Value {
    let steps: Vec<Value> = sentences(rule)
        .into_iter()
        .map(|(sentence, when)| json!({ "waits_for": sentence, "when": when }))
        .collect();
    let asked: Vec<Value> = Kind::ALL
        .into_iter()
        .flat_map(|kind| asked(rule, kind).into_iter().map(move |field| (kind, field)))
        .map(|(kind, field)| {
            json!({ "of": kind.name(), "name": field.name, "type": field.of.name(), "words": field.words,
                    "says": field.what })
        })
        .collect();
    json!({
        "name": rule.name, "title": rule.title, "severity": rule.severity, "techniques": rule.techniques,
        "file": file, "steps": steps, "rest": closing(rule), "fields": asked, "contain": rule.response.contain,
        "revoke": rule.response.revoke,
    })
}

/// What it waits for, step by step, and the condition of each.
fn sentences(rule: &Rule) -> Vec<(String, &str)> {
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

fn closing(rule: &Rule) -> Vec<String> {
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
fn asked(rule: &Rule, kind: Kind) -> Vec<Field> {
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

fn fields(rule: &Rule, kind: Kind) -> Table {
    let title = match kind {
        Kind::Access => "ASKED OF AN ACCESS",
        Kind::Connection => "ASKED OF A CONNECTION",
        Kind::Attempt => "ASKED OF AN ATTEMPT",
    };
    let mut table = Table::new(&[title, "TYPE", "SAYS"]);
    for field in asked(rule, kind) {
        let mut says = vec![Line::of(PLAIN, field.what)];
        says.extend(field.words.map(|words| Line::of(DIM, words.join(", "))));
        table.row(vec![Cell::new(PLAIN, field.name), Cell::new(DIM, field.of.name()), Cell::lines(says)]);
    }
    table
}
