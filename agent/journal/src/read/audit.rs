//! Acts of enforcement, as people read them.

use std::collections::BTreeMap;

use cofferdam_model::{AuditKind, AuditRow, BootTime, Peer, WallTime, WorkloadId};
use rusqlite::{Result, Row};

use super::library::{BootIndex, Part};
use super::names::Names;
use super::question::Question;
use crate::codec::Columns;

/// An act and where it was read.
#[derive(Debug)]
pub(super) struct Act {
    boot: BootIndex,
    at: BootTime,
    what: AuditKind,
    subject: String,
    workload: Option<WorkloadId>,
    by: Option<Peer>,
    detail: String,
}

impl Act {
    fn read(part: &Part, row: &Row<'_>) -> Result<(i64, Self)> {
        let mut c = Columns::of(row);
        let number = c.get()?;
        let act = Self {
            boot: part.boot(c.get()?)?,
            at: c.time()?,
            what: c.word()?,
            subject: c.get()?,
            workload: c.opt_unsigned()?.map(WorkloadId),
            by: c.get::<Option<u32>>()?.zip(c.get()?).map(|(uid, pid)| Peer { uid, pid }),
            detail: c.get()?,
        };
        Ok((number, act))
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) rows: Vec<Act>,
    /// There were more than could be kept.
    pub(super) left_out: bool,
}

/// Finds the latest `most` acts that fit. Where workloads are asked for, only what concerned one of them does.
pub(super) fn find(names: &Names<'_>, question: &Question, most: usize) -> Found {
    let library = names.library;
    // Acts of one moment stay in the order in which they were written.
    let mut kept: BTreeMap<(WallTime, usize, i64), Act> = BTreeMap::new();
    let mut left_out = false;
    for (index, part) in library.parts.iter().enumerate().rev() {
        if !question.may_hold(&library.clocks(), part) {
            continue;
        }
        library.ask(index, |part| {
            let mut statement = part.conn.prepare_cached(
                "SELECT number, boot, at_boot_ns, what, subject, workload, by_uid, by_pid, detail FROM audit",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (number, act) = Act::read(part, row)?;
                if !fits(names, question, &act) {
                    continue;
                }
                kept.insert((library.wall(act.boot, act.at), index, number), act);
                if kept.len() > most {
                    kept.pop_first();
                    left_out = true;
                }
            }
            Ok(())
        });
    }
    Found { rows: kept.into_values().collect(), left_out }
}

fn fits(names: &Names<'_>, question: &Question, act: &Act) -> bool {
    let concerns = || act.workload.is_some_and(|workload| question.wants((act.boot, workload)));
    (question.workloads.is_none() || concerns()) && question.in_range(names.library, act.boot, act.at, act.at)
}

/// Puts the names to a row.
pub(super) fn explain(names: &mut Names<'_>, act: Act) -> AuditRow {
    let library = names.library;
    AuditRow {
        at: library.wall(act.boot, act.at),
        what: act.what,
        subject: act.subject,
        workload: act.workload.and_then(|workload| names.workload_name((act.boot, workload))),
        by: act.by,
        detail: act.detail,
        boot_id: library.boots[act.boot].id.clone(),
    }
}
