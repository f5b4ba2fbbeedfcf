//! `policy explain`: which rule decided, and how.

use cofferdam_api::Explanation;

use super::decided::verdict_alone;
use crate::table::indented;
use crate::text::{BOLD, DIM, Line, PLAIN};

/// Columns of the titles.
const TITLE: usize = 9;

/// The whole explanation.
pub(crate) fn explanation(explanation: &Explanation, columns: Option<usize>) -> Vec<Line> {
    let mut lines = vec![titled("event", Line::of(PLAIN, &explanation.event))];
    lines.push(titled("what", Line::of(PLAIN, &explanation.what)));
    lines.push(titled("verdict", verdict_alone(explanation.verdict)));
    lines.push(titled("policy", or_none(explanation.policy.as_deref(), "none speaks of it")));
    if explanation.policy.is_some() {
        lines.push(titled("rule", or_none(explanation.rule.as_deref(), "not known")));
    }
    if let Some(text) = &explanation.text {
        lines.push(Line::new());
        lines.extend(text.lines().flat_map(|line| indented(Line::of(PLAIN, line), columns)));
    }
    if !explanation.why.is_empty() {
        lines.push(Line::new());
        lines.push(Line::of(BOLD, "WHY"));
        lines.extend(explanation.why.iter().flat_map(|why| indented(Line::of(PLAIN, why), columns)));
    }
    lines
}

fn titled(title: &str, value: Line) -> Line {
    let mut line = Line::of(BOLD, format!("{title:<TITLE$}"));
    line.append(value);
    line
}

fn or_none(value: Option<&str>, none: &str) -> Line {
    value.map_or_else(|| Line::of(DIM, none), |value| Line::of(PLAIN, value))
}
