//! `policy check` and `policy test`: what would happen.

use cofferdam_policy::{Act, Replayed};

use super::{closing, count_of, count_of_policies, number};
use crate::app::{Checked, Summary, Tested};
use crate::moment::to_seconds;
use crate::screen::Screen;
use crate::table::{Cell, Shorten, Table, indented};
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

/// Rows that a check tells; `policy test` has all of them.
const NORMAL: usize = 10;

/// What a replay came to.
pub(crate) fn tested(tested: &Tested, all: bool, screen: Screen) -> Vec<Line> {
    let told = |row: &&Replayed| all || row.denied > 0 || row.undecidable > 0;
    let rows: Vec<&Replayed> = tested.rows.iter().filter(told).collect();
    let mut lines = match rows.as_slice() {
        [] if tested.summary.policies.iter().all(|it| it.workloads == 0 && it.pending == 0) => {
            vec![Line::of(
                NOTABLE,
                "nothing was decided: the policies are for no workload that the journal knows",
            )]
        }
        [] => vec![Line::of(GOOD, "nothing would have been denied")],
        rows => table(rows).into_lines(screen.columns),
    };
    lines.push(Line::new());
    lines.extend(summary(&tested.summary));
    lines
}

fn table(rows: &[&Replayed]) -> Table {
    let mut table =
        Table::new(&["WORKLOAD", "DOES", "BINARY", "WHAT", "DENIED>", "ALLOWED>", "UNDECIDABLE>", "BY"])
            .ordinarily("UNDECIDABLE", "-")
            .ordinarily("ALLOWED", "-");
    for row in rows {
        let count = |count: u64, style| match count {
            0 => Cell::new(DIM, "-"),
            _ => Cell::new(style, number(count)),
        };
        let origin = super::parts::origin_flag(row.origin);
        table.row(vec![
            name(row.workload.as_deref(), Shorten::Middle),
            Cell::new(PLAIN, row.act.as_str()),
            match &row.binary {
                Some(binary) => Cell::shortened(Shorten::Path, PLAIN, binary, origin),
                None => Cell::new(DIM, "unknown"),
            },
            Cell::new(PLAIN, &row.object),
            count(row.denied, BAD),
            count(row.allowed, PLAIN),
            count(row.undecidable, NOTABLE),
            Cell::new(PLAIN, row.rules.join(", ")),
        ]);
        for (lack, count) in &row.lacks {
            table.note(Line::of(NOTABLE, format!("{} undecidable: {lack}", number(*count))));
        }
    }
    table
}

fn name(name: Option<&str>, how: Shorten) -> Cell {
    match name {
        Some(name) => Cell::shortened(how, BOLD, name, Line::new()),
        None => Cell::new(DIM, "unknown"),
    }
}

fn summary(summary: &Summary) -> Vec<Line> {
    let style = if summary.denied > 0 { BAD } else { GOOD };
    let mut line = Line::of(style, format!("{} denied", number(summary.denied)))
        .with(PLAIN, format!(", {} allowed, ", number(summary.allowed)))
        .with(
            if summary.undecidable > 0 { NOTABLE } else { PLAIN },
            format!("{} undecidable", number(summary.undecidable)),
        );
    if let (Some(since), Some(until)) = (summary.since, summary.until) {
        line.push(PLAIN, format!(", {} to {} UTC", to_seconds(since), to_seconds(until)));
    }
    if summary.unconcerned > 0 {
        line.push(DIM, format!("; {} of workloads that no policy is for", number(summary.unconcerned)));
    }
    let mut lines = vec![line];
    for it in &summary.policies {
        let style = if it.workloads == 0 { NOTABLE } else { DIM };
        let mut line =
            Line::of(style, format!("{} is for {}", it.policy, count_of(it.workloads as u64, "workload")));
        if it.pending > 0 {
            line.push(
                NOTABLE,
                format!(" and perhaps for {} whose names are not known", number(it.pending as u64)),
            );
        }
        lines.push(line);
    }
    lines.push(closing(&summary.completeness));
    lines
}

/// What was found in files.
pub(crate) fn checked(checked: &Checked, screen: Screen) -> Vec<Line> {
    let mut lines: Vec<Line> =
        checked.refusals.iter().map(|it| Line::of(BAD, "refused ").with(PLAIN, it.to_string())).collect();
    lines.extend(checked.findings.iter().map(|it| Line::of(NOTABLE, "finding ").with(PLAIN, it.to_string())));
    let denied: Vec<&Replayed> = match &checked.tested {
        Some(tested) => tested.rows.iter().filter(|row| row.denied > 0).collect(),
        None => Vec::new(),
    };
    for row in denied.iter().take(NORMAL) {
        lines.push(Line::of(NOTABLE, "finding ").with(PLAIN, normal(row)));
    }
    if denied.len() > NORMAL {
        let more = format!("and {} more: see `cofferdam policy test`", denied.len() - NORMAL);
        lines.extend(indented(Line::of(DIM, more), screen.columns));
    }
    if !lines.is_empty() {
        lines.push(Line::new());
    }
    let (refused, found) = (checked.refusals.len(), checked.findings.len() + denied.len());
    lines.push(match (refused, found) {
        (0, 0) => {
            Line::of(GOOD, "clean").with(PLAIN, format!(": {}", count_of_policies(checked.policies.len())))
        }
        (0, found) => Line::of(NOTABLE, count_of(found as u64, "finding"))
            .with(PLAIN, format!(" in {}", count_of_policies(checked.policies.len()))),
        (refused, _) => Line::of(BAD, count_of(refused as u64, "refusal")),
    });
    if let Some(tested) = &checked.tested {
        lines.extend(summary(&tested.summary));
    }
    lines.extend(not_compared(checked).into_iter().map(|line| Line::of(DIM, line)));
    lines
}

/// What the files were not compared with, and why.
fn not_compared(checked: &Checked) -> Vec<String> {
    match (&checked.without_past, &checked.without_in_force) {
        (Some(past), Some(in_force)) if past == in_force => {
            vec![format!("not compared with what runs and is in force here, nor with the past: {past}")]
        }
        (past, in_force) => {
            let past =
                past.iter().map(|why| format!("not compared with what runs here, nor with the past: {why}"));
            let in_force =
                in_force.iter().map(|why| format!("not compared with what is in force here: {why}"));
            past.chain(in_force).collect()
        }
    }
}

/// `api/db would deny what happened once, at … UTC: in shop/web-1/app /bin/sh read volume/creds:password`.
fn normal(row: &Replayed) -> String {
    let times = match row.denied {
        1 => "once".to_owned(),
        count => format!("{} times", number(count)),
    };
    let did = match row.act {
        Act::Read => "read",
        Act::Environment => "read an environment,",
        Act::Memory => "reached into memory,",
        Act::Execute => "was executed as",
        Act::Connect => "connected to",
    };
    format!(
        "{} would deny what happened {times}, the last time at {} UTC: in {} {} {did} {}",
        row.rules.join(", "),
        to_seconds(row.last),
        row.workload.as_deref().unwrap_or("an unknown workload"),
        row.binary.as_deref().unwrap_or("an unknown program"),
        row.object,
    )
}
