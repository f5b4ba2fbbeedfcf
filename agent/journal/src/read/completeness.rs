//! How complete an answer is: what was not watched, lost, shed, unreadable or nameless in its range.

use std::collections::BTreeMap;

use cofferdam_model::{Answer, BootTime, Completeness, LossReason, WallTime, WorkloadId};
use rusqlite::params;

use super::coverage::{Watched, gaps, watched};
use super::library::{BootIndex, Library};
use super::question::Question;
use crate::codec::{Columns, bits};

/// What the rows themselves say about an answer.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RowsSay {
    /// Rows whose workload has no name, given or not.
    pub(super) unknown_workloads: u64,
    /// Events of rows without a process: over budget, counted in the rows.
    pub(super) without_process: u64,
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
    let losses = losses(library, question, since, question.until);
    let mut reasons = Vec::new();
    match since.zip(until) {
        Some((since, until)) => {
            for gap in gaps(&runs, since, until) {
                reasons.push(format!("not watched from {} to {}: {}", gap.since, gap.until, gap.why));
            }
        }
        None => reasons.push("no agent has ever said that its hooks were attached".to_owned()),
    }
    let lost = losses.iter().filter(|loss| loss.reason.is_loss()).map(|loss| loss.count).sum();
    for loss in losses.iter().filter(|loss| loss.reason.is_loss()) {
        reasons.push(format!("{} events lost by {}: {}", loss.count, loss.hook, loss.reason));
    }
    let over_budget = losses.iter().filter(|loss| !loss.reason.is_loss()).map(|loss| loss.count).sum();
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

/// Losses of one hook and reason in the range.
struct Lost {
    hook: String,
    reason: LossReason,
    count: u64,
}

fn losses(
    library: &Library,
    question: &Question,
    since: Option<WallTime>,
    until: Option<WallTime>,
) -> Vec<Lost> {
    let mut sums: BTreeMap<(String, LossReason), u64> = BTreeMap::new();
    for boot in 0..library.boots.len() {
        let since = since.map_or(BootTime::from_nanos(0), |since| boot_time(library, boot, since));
        let until =
            until.map_or(BootTime::from_nanos(i64::MAX as u64), |until| boot_time(library, boot, until));
        for (index, number) in library.knowing(boot) {
            library.ask(index, |part| {
                let mut statement = part.conn.prepare_cached(
                    "SELECT hook, reason, workload, sum(count) FROM loss
                     WHERE boot = ?1 AND until_boot_ns >= ?2 AND since_boot_ns < ?3 GROUP BY hook, reason, workload",
                )?;
                let mut rows =
                    statement.query(params![number, bits(since.as_nanos()), bits(until.as_nanos())])?;
                while let Some(row) = rows.next()? {
                    let mut c = Columns::of(row);
                    let (hook, reason) = (c.get()?, c.word()?);
                    let workload = c.opt_unsigned()?.map(WorkloadId).filter(|id| id.is_known());
                    if workload.is_none_or(|workload| question.wants((boot, workload))) {
                        *sums.entry((hook, reason)).or_default() += c.unsigned()?;
                    }
                }
                Ok(())
            });
        }
    }
    sums.into_iter().map(|((hook, reason), count)| Lost { hook, reason, count }).collect()
}

/// The moment of a boot at some wall time; zero if it was earlier.
fn boot_time(library: &Library, boot: BootIndex, time: WallTime) -> BootTime {
    let booted = library.wall(boot, BootTime::from_nanos(0));
    let nanos = time.as_nanos().saturating_sub(booted.as_nanos());
    BootTime::from_nanos(u64::try_from(nanos).unwrap_or(0))
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
