//! `rules`: detection rules as tables, and one of them in words.

use cofferdam_detect::words::{asked, closing, sentences, wants};
use cofferdam_detect::{Entry, Kind, Rule};
use cofferdam_model::Response;
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
