//! What was lost in a range.

use std::collections::BTreeMap;

use cofferdam_model::{BootTime, LossReason, LossRow, WallTime, WorkloadId};
use rusqlite::params;

use super::library::{BootIndex, Library};
use super::names::Names;
use super::question::Question;
use crate::codec::{Columns, bits};

/// Losses of one boot, hook, reason and workload in the range, together.
#[derive(Debug)]
pub(super) struct Lost {
    boot: BootIndex,
    workload: Option<WorkloadId>,
    pub(super) hook: String,
    pub(super) reason: LossReason,
    since: BootTime,
    until: BootTime,
    pub(super) count: u64,
}

/// What was lost of the workloads that fit, and of those that nobody knows; without an end also after the latest row.
pub(super) fn find(
    library: &Library,
    question: &Question,
    since: Option<WallTime>,
    until: Option<WallTime>,
) -> Vec<Lost> {
    let mut found: BTreeMap<(BootIndex, String, LossReason, Option<WorkloadId>), Lost> = BTreeMap::new();
    for boot in 0..library.boots.len() {
        let since = since.map_or(BootTime::from_nanos(0), |since| boot_time(library, boot, since));
        let until =
            until.map_or(BootTime::from_nanos(i64::MAX as u64), |until| boot_time(library, boot, until));
        for (index, number) in library.knowing(boot) {
            library.ask(index, |part| {
                let mut statement = part.conn.prepare_cached(
                    "SELECT hook, reason, workload, min(since_boot_ns), max(until_boot_ns), sum(count) FROM loss
                     WHERE boot = ?1 AND until_boot_ns >= ?2 AND since_boot_ns < ?3 GROUP BY hook, reason, workload",
                )?;
                let mut rows =
                    statement.query(params![number, bits(since.as_nanos()), bits(until.as_nanos())])?;
                while let Some(row) = rows.next()? {
                    let lost = read(&mut Columns::of(row), boot)?;
                    if lost.workload.is_some_and(|workload| !question.wants((boot, workload))) {
                        continue;
                    }
                    let key = (boot, lost.hook.clone(), lost.reason, lost.workload);
                    match found.get_mut(&key) {
                        Some(sum) => {
                            sum.since = sum.since.min(lost.since);
                            sum.until = sum.until.max(lost.until);
                            sum.count = sum.count.saturating_add(lost.count);
                        }
                        None => drop(found.insert(key, lost)),
                    }
                }
                Ok(())
            });
        }
    }
    found.into_values().collect()
}

fn read(c: &mut Columns<'_, '_>, boot: BootIndex) -> rusqlite::Result<Lost> {
    let (hook, reason) = (c.get()?, c.word()?);
    let workload = c.opt_unsigned()?.map(WorkloadId).filter(|id| id.is_known());
    let since = BootTime::from_nanos(c.unsigned()?);
    let until = BootTime::from_nanos(c.unsigned()?);
    Ok(Lost { boot, workload, hook, reason, since, until, count: c.unsigned()? })
}

/// Puts the names to a row.
pub(super) fn explain(names: &mut Names<'_>, lost: Lost) -> LossRow {
    let wall = |time| names.library.wall(lost.boot, time);
    let (since, until) = (wall(lost.since), wall(lost.until));
    let workload = lost.workload.and_then(|workload| names.workload_name((lost.boot, workload)));
    LossRow { since, until, hook: lost.hook, workload, reason: lost.reason, count: lost.count }
}

/// The moment of a boot at some wall time; zero if it was earlier.
fn boot_time(library: &Library, boot: BootIndex, time: WallTime) -> BootTime {
    let booted = library.wall(boot, BootTime::from_nanos(0));
    let nanos = time.as_nanos().saturating_sub(booted.as_nanos());
    BootTime::from_nanos(u64::try_from(nanos).unwrap_or(0))
}
