//! `doctor`: what this node lets the agent see and deny, and what to do about the rest.

use cofferdam_api::{Check, CheckResult, Doctor, HookReport, HookState};

use super::count_of;
use crate::table::{Cell, Table};
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

/// Columns before the text that explains a line.
const INDENT: usize = 8;

/// The whole report.
pub(crate) fn doctor(doctor: &Doctor, columns: Option<usize>) -> Vec<Line> {
    let mut lines = vec![match doctor.tier {
        Some(tier) => {
            Line::of(BOLD, format!("tier {tier}")).with(PLAIN, format!(" on kernel {}", doctor.kernel))
        }
        None => Line::of(NOTABLE, "no tier").with(PLAIN, format!(" on kernel {}", doctor.kernel)),
    }];
    lines.extend(doctor.reasons.iter().map(|reason| explained("", reason)));

    lines.push(Line::new());
    lines.push(Line::of(BOLD, "CHECKS"));
    let widest = doctor.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in &doctor.checks {
        lines.extend(one_check(check, widest));
    }
    if !doctor.hooks.is_empty() {
        lines.push(Line::new());
        lines.extend(hooks(doctor, columns));
    }
    if !doctor.blind_spots.is_empty() {
        lines.push(Line::new());
        lines.push(Line::of(BOLD, "NOT SEEN ON THIS TIER"));
        for spot in &doctor.blind_spots {
            lines.push(Line::of(NOTABLE, "blind").with(PLAIN, format!(" {}", spot.what)));
            lines.push(explained("seen   ", &spot.instead));
        }
    }
    lines.push(Line::new());
    lines.push(closing(doctor));
    lines
}

/// Whether the agent can do its work here.
pub(crate) fn is_well(doctor: &Doctor) -> bool {
    doctor.checks.iter().all(|check| check.ok != CheckResult::Fail)
        && !doctor.hooks.iter().any(|hook| is_wanted_here(hook, doctor))
}

/// Whether a hook failed that this node's tier should have; those of a better tier are a loss, not a fault.
fn is_wanted_here(hook: &HookReport, doctor: &Doctor) -> bool {
    hook.state == HookState::Failed && doctor.tier.is_none_or(|tier| hook.tier == tier)
}

fn one_check(check: &Check, widest: usize) -> Vec<Line> {
    let (mark, style) = match check.ok {
        CheckResult::Ok => ("ok", GOOD),
        CheckResult::Warn => ("warn", NOTABLE),
        CheckResult::Fail => ("FAIL", BAD),
    };
    let mut lines = vec![
        Line::of(style, format!("{mark:<4}"))
            .with(PLAIN, format!("  {:<widest$}  {}", check.name, check.found)),
    ];
    if check.ok != CheckResult::Ok {
        lines.extend(check.costs.iter().map(|costs| explained("costs  ", costs)));
        lines.extend(check.remedy.iter().map(|remedy| explained("remedy ", remedy)));
    }
    lines
}

fn explained(title: &str, text: &str) -> Line {
    Line::of(DIM, format!("{:INDENT$}{title}", "")).with(PLAIN, text)
}

fn hooks(doctor: &Doctor, columns: Option<usize>) -> Vec<Line> {
    let mut lines = Vec::new();
    let of = |state| doctor.hooks.iter().filter(move |hook| hook.state == state);

    let mut failed = of(HookState::Failed).peekable();
    if failed.peek().is_some() {
        lines.push(Line::of(BOLD, "MISSING HOOKS"));
        lines.extend(failed.flat_map(|hook| missing(hook, is_wanted_here(hook, doctor))));
        lines.push(Line::new());
    }
    let mut table = Table::new(&["HOOK", "TIER", "ATTACHED TO", "SEES"]);
    for hook in of(HookState::Attached) {
        table.row(row(hook, PLAIN));
    }
    for hook in of(HookState::NotNeeded) {
        table.row(vec![
            Cell::new(DIM, &hook.hook),
            Cell::new(DIM, hook.tier.as_str()),
            Cell::new(DIM, "(not needed)"),
            Cell::new(DIM, hook.reason.as_deref().unwrap_or(&hook.sees)),
        ]);
    }
    if table.is_empty() {
        lines.push(Line::of(BAD, "no hook is attached: nothing is seen"));
    } else {
        lines.extend(table.into_lines(columns));
    }
    lines
}

fn row(hook: &HookReport, style: anstyle::Style) -> Vec<Cell> {
    vec![
        Cell::new(style, &hook.hook),
        Cell::new(style, hook.tier.as_str()),
        Cell::new(style, &hook.attach_point),
        Cell::new(style, &hook.sees),
    ]
}

fn missing(hook: &HookReport, wanted: bool) -> Vec<Line> {
    let (style, mark) = if wanted { (BAD, "FAIL") } else { (NOTABLE, "none") };
    let mut lines = vec![
        Line::of(style, mark)
            .with(PLAIN, format!("  {}", hook.hook))
            .with(DIM, format!("  {}", hook.attach_point)),
        explained("lost   ", &hook.without_it),
    ];
    lines.extend(hook.reason.iter().map(|reason| explained("reason ", reason)));
    lines
}

fn closing(doctor: &Doctor) -> Line {
    let count = |result| doctor.checks.iter().filter(|check| check.ok == result).count() as u64;
    let failed_hooks = || doctor.hooks.iter().filter(|hook| hook.state == HookState::Failed);
    let missing = failed_hooks().filter(|hook| is_wanted_here(hook, doctor)).count() as u64;
    let of_better_tier = failed_hooks().count() as u64 - missing;
    let (failed, warned) = (count(CheckResult::Fail), count(CheckResult::Warn));
    let mut bad = Vec::new();
    if failed > 0 {
        bad.push(format!("{} failed", count_of(failed, "check")));
    }
    if missing > 0 {
        bad.push(format!("{} missing", count_of(missing, "hook")));
    }
    if of_better_tier > 0 {
        bad.push(format!("{} of a better tier not to be had here", count_of(of_better_tier, "hook")));
    }
    if warned > 0 {
        bad.push(count_of(warned, "warning"));
    }
    if is_well(doctor) {
        let mut line = Line::of(GOOD, "well").with(PLAIN, ": everything that this tier needs is there");
        if !bad.is_empty() {
            line.push(NOTABLE, format!("; {}", bad.join(", ")));
        }
        line
    } else {
        Line::of(BAD, "NOT WELL").with(PLAIN, format!(": {}", bad.join(", ")))
    }
}
