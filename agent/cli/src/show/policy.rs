//! `policy list`, `apply`, `confirm` and `remove`: which policies are in force.

use cofferdam_api::{Peer, PolicyMode, PolicyOrigin, PolicyRow};

use super::{number, workload_name};
use crate::moment::to_seconds;
use crate::screen::Screen;
use crate::table::{Cell, Shorten, Table};
use crate::text::{BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

/// Workloads of one cell; further ones are counted.
const WORKLOADS: usize = 3;

/// The policies in force.
pub(crate) fn policies(rows: &[PolicyRow], screen: Screen) -> Vec<Line> {
    if rows.is_empty() {
        return vec![Line::of(DIM, "no policies are in force")];
    }
    policy_table(rows, screen)
}

/// What was applied, or would be.
pub(crate) fn applied(rows: &[PolicyRow], dry_run: bool, screen: Screen) -> Vec<Line> {
    let mut lines = policy_table(rows, screen);
    lines.push(Line::new());
    let policies = count_of_policies(rows.len());
    lines.push(if dry_run {
        Line::of(BOLD, "dry run").with(PLAIN, format!(": {policies} would be in force; nothing was changed"))
    } else {
        Line::of(GOOD, "applied").with(PLAIN, format!(": {policies} in force"))
    });
    lines
}

/// That a policy stays.
pub(crate) fn confirmed(row: &PolicyRow) -> Line {
    Line::of(GOOD, "confirmed").with(PLAIN, format!(": {} stays", full_name(row)))
}

/// That a policy is gone.
pub(crate) fn removed(row: &PolicyRow) -> Line {
    Line::of(NOTABLE, "removed").with(PLAIN, format!(": {} is no longer in force", full_name(row)))
}

/// `1 policy`, `12 policies`, `no policies`.
pub(crate) fn count_of_policies(count: usize) -> String {
    match count {
        0 => "no policies".to_owned(),
        1 => "1 policy".to_owned(),
        _ => format!("{} policies", number(count as u64)),
    }
}

/// The table of policies.
pub(crate) fn policy_table(rows: &[PolicyRow], screen: Screen) -> Vec<Line> {
    let mut titles = vec!["POLICY", "MODE", "RULES>", "WORKLOADS", "FROM", "SINCE (UTC)"];
    if screen.wide {
        titles.push("BY");
    }
    let mut table = Table::new(&titles);
    for row in rows {
        let from = match row.origin {
            PolicyOrigin::Folder => Line::new(),
            PolicyOrigin::Applied => Line::of(DIM, " (applied)"),
        };
        let mut cells = vec![
            Cell::new(BOLD, full_name(row)),
            mode(row.mode).into(),
            Cell::new(PLAIN, number(row.rules)),
            workloads(&row.workloads, screen),
            Cell::shortened(Shorten::Path, PLAIN, &row.source, from),
            Cell::shortened(Shorten::Day, DIM, &to_seconds(row.applied), Line::new()),
        ];
        if screen.wide {
            cells.push(row.by.map_or_else(|| Cell::new(DIM, "policy folder"), |by| peer(by).into()));
        }
        table.row(cells);
        if let Some(until) = row.confirm_until {
            table.note(
                Line::of(NOTABLE, format!("rolls itself back at {} UTC", to_seconds(until)))
                    .with(PLAIN, format!(", unless: cofferdam policy confirm {}", full_name(row))),
            );
        }
    }
    table.into_lines(screen.columns)
}

/// `namespace/name`, as commands take it.
pub(super) fn full_name(row: &PolicyRow) -> String {
    match &row.namespace {
        Some(namespace) => format!("{namespace}/{}", row.name),
        None => row.name.clone(),
    }
}

/// Whether it denies or only tells.
pub(super) fn mode(mode: PolicyMode) -> Line {
    match mode {
        PolicyMode::Enforce => Line::of(BOLD, mode.as_str()),
        PolicyMode::Observe => Line::of(NOTABLE, mode.as_str()),
    }
}

/// Some of the workloads, and how many more.
pub(super) fn workloads(names: &[String], screen: Screen) -> Cell {
    match names {
        [] => return Cell::new(NOTABLE, "none runs here"),
        [only] => return workload_name(Some(only), None),
        _ => {}
    }
    let shown = if screen.wide || names.len() <= WORKLOADS + 1 { names.len() } else { WORKLOADS };
    let more = names.len() - shown;
    let more = (more > 0).then(|| Line::of(DIM, format!("and {more} more")));
    Cell::lines(names[..shown].iter().map(|name| Line::of(PLAIN, name)).chain(more))
}

/// Who changed something.
pub(super) fn peer(peer: Peer) -> Line {
    Line::of(PLAIN, format!("uid {}", peer.uid)).with(DIM, format!(" (pid {})", peer.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_counted_in_english() {
        assert_eq!(
            [0, 1, 2, 1_200].map(count_of_policies),
            ["no policies", "1 policy", "2 policies", "1,200 policies"]
        );
    }
}
