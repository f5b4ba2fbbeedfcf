//! How complete an answer is: what was not watched, lost, shed, unreadable or nameless in its range.

use std::collections::BTreeMap;

use cofferdam_model::{Answer, Completeness, LossReason, WallTime};

use super::coverage::{Watched, gaps, watched};
use super::library::Library;
use super::loss;
use super::question::Question;

/// A sum that a damaged copy cannot make too large.
pub(super) fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// What the rows themselves say about an answer.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RowsSay {
    /// Rows whose workload has no name, given or not.
    pub(super) unknown_workloads: u64,
    /// Events of rows without a process: over budget, counted in the rows.
    pub(super) without_process: u64,
    /// The rows are programs: one that exceeded a budget is nowhere else.
    pub(super) are_programs: bool,
    /// The reader's own bound was hit.
    pub(super) left_out: Option<usize>,
}

/// Makes an answer of rows.
pub(super) fn answer<Row>(
    library: &Library,
    question: &Question,
    rows: Vec<Row>,
    say: RowsSay,
) -> Answer<Row> {
    let runs = watched(library);
    let since = question.since.or_else(|| runs.first().map(|run| run.since));
    let until = question.until.or_else(|| runs.last().map(|run| run.until));
    // Without an end that was asked for, what was lost after the latest commit counts as well.
    let losses = loss::find(library, question, since, question.until);
    let mut reasons = Vec::new();
    match since.zip(until) {
        Some((since, until)) => {
            for gap in gaps(&runs, since, until) {
                reasons.push(format!("not watched from {} to {}: {}", gap.since, gap.until, gap.why));
            }
        }
        None => reasons.push("no agent has ever said that its hooks were attached".to_owned()),
    }
    let lost = total(losses.iter().filter(|loss| loss.reason.is_loss()).map(|loss| loss.count));
    let mut sums: BTreeMap<(&str, LossReason), u64> = BTreeMap::new();
    for loss in losses.iter().filter(|loss| loss.reason.is_loss()) {
        let sum = sums.entry((&loss.hook, loss.reason)).or_default();
        *sum = sum.saturating_add(loss.count);
    }
    reasons.extend(
        sums.iter().map(|((hook, reason), count)| format!("{count} events lost by {hook}: {reason}")),
    );
    let untold = losses.iter().filter(|loss| {
        say.are_programs
            && loss.reason == LossReason::OverBudget
            && matches!(loss.hook.as_str(), "exec" | "fork")
    });
    match total(untold.map(|loss| loss.count)) {
        0 => {}
        count => {
            reasons.push(format!("{count} forks and execs beyond their workload's budget are not itemised"))
        }
    }
    let over_budget = total(losses.iter().filter(|loss| !loss.reason.is_loss()).map(|loss| loss.count));
    for missing in library.missing.borrow().iter() {
        let (begun, next) = missing.range;
        let before = question.since.is_some_and(|since| next.is_some_and(|next| next <= since));
        let after = question.until.is_some_and(|until| begun >= until);
        if !before && !after {
            reasons.push(missing.reason.clone());
        }
    }
    if say.unknown_workloads > 0 {
        reasons.push(format!("the workload of {} rows could not be named", say.unknown_workloads));
    }
    if let Some(most) = say.left_out {
        reasons.push(format!("there are more than {most} rows: these are the latest; narrow the question"));
    }
    let completeness = Completeness {
        complete: reasons.is_empty(),
        lost,
        over_budget: u64::max(over_budget, say.without_process),
        unknown_workloads: say.unknown_workloads,
        seen_since: runs.last().map(|run| run.since),
        sources: sources(library, &runs, question),
        reasons,
    };
    Answer { rows, since, until, completeness }
}

fn sources(library: &Library, runs: &[Watched], question: &Question) -> Vec<String> {
    let asked = |since: WallTime, until: WallTime| {
        question.since.is_none_or(|asked| until >= asked) && question.until.is_none_or(|asked| since < asked)
    };
    let hooks = runs.iter().filter(|run| asked(run.since, run.until)).map(|run| {
        let hooks = if run.hooks.is_empty() { "no hooks".to_owned() } else { run.hooks.join(" ") };
        format!("hooks {hooks} {}..{}", run.since, run.until)
    });
    let segments = library.parts.iter().filter_map(|part| {
        let (since, until) = library.range(part)?;
        asked(since, until).then(|| format!("{} {since}..{until}", part.file.name()))
    });
    hooks.chain(segments).collect()
}
