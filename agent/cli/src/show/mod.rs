//! Answers for people. Pure: rows in, styled lines out.

mod access;
mod attempt;
mod audit;
mod completeness;
mod connection;
mod decided;
mod denial;
mod detection;
mod doctor;
mod explanation;
mod order;
mod parts;
mod policy;
mod rollout;
mod rule;
mod rules;
mod secret;
mod status;
#[cfg(test)]
mod tests;
mod watch;
mod workload;

pub(crate) use attempt::tried;
pub(crate) use audit::act;
pub(crate) use completeness::{closing, count_of};
pub(crate) use decided::Decided;
pub(crate) use detection::{finding, secret as secret_of};
pub(crate) use doctor::{doctor, is_well};
pub(crate) use explanation::explanation;
pub(crate) use order::{contained, orders, released, unloaded};
pub(crate) use parts::{destination, how, number, process_flags, program, secret_name, taint, workload_name};
pub(crate) use policy::{applied, confirmed, count_of_policies, policies, policy_table, removed};
pub(crate) use rollout::{checked, tested};
pub(crate) use rule::{checked_rules, rule, rule_document, rule_table};
pub(crate) use rules::{entries, is_as_written, policy_status, selected};
pub(crate) use status::{is_complete, status};
pub(crate) use watch::{Watcher, missed, watched};

use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{Answer, Filter};
use serde::Serialize;

use crate::screen::Screen;
use crate::source::{Sink, Source};
use crate::table::Table;
use crate::text::{DIM, Line};

/// A row that a command shows in a table.
pub(crate) trait Row: Serialize + Sized {
    /// What the rows are called, in the plural.
    const ROWS: &'static str;
    /// Asks for them.
    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending>;
    /// The table.
    fn table(rows: &[Self], wide: bool) -> Table;
}

/// The whole answer as a table, with its completeness as the last line.
pub(crate) fn answer<R: Row>(answer: &Answer<R>, filter: &Filter, screen: Screen) -> Vec<Line> {
    let table = R::table(&answer.rows, screen.wide);
    let mut lines = Vec::new();
    if table.is_empty() {
        lines.push(Line::of(DIM, nothing(R::ROWS, filter)));
    } else {
        lines = table.into_lines(screen.columns);
    }
    lines.push(Line::new());
    if filter.limit.is_some_and(|limit| answer.rows.len() as u64 >= limit) {
        lines.push(Line::of(
            DIM,
            format!("only the latest {} {} are shown (--limit)", answer.rows.len(), R::ROWS),
        ));
    }
    lines.push(closing(&answer.completeness));
    lines
}

/// That there is nothing, and what was looked for.
pub(crate) fn nothing(rows: &str, filter: &Filter) -> String {
    let mut asked: Vec<String> = Vec::new();
    let texts = [
        ("workload", &filter.workload),
        ("namespace", &filter.namespace),
        ("pod", &filter.pod),
        ("container", &filter.container),
        ("secret", &filter.secret),
        ("binary", &filter.binary),
    ];
    asked.extend(texts.iter().filter_map(|(name, value)| Some(format!("--{name} {}", (*value).as_ref()?))));
    asked.extend(filter.verdict.map(|verdict| format!("--verdict {verdict}")));
    asked.extend(filter.severity.map(|severity| format!("--severity {severity}")));
    asked.extend(filter.rule.as_ref().map(|rule| format!("--rule {rule}")));
    asked.extend(filter.since.map(|time| format!("since {} UTC", crate::moment::to_seconds(time))));
    asked.extend(filter.until.map(|time| format!("until {} UTC", crate::moment::to_seconds(time))));
    if asked.is_empty() { format!("no {rows}") } else { format!("no {rows} with {}", asked.join(", ")) }
}
