//! Programs that processes ran, as people read them.

use std::collections::{BTreeMap, HashSet};

use cofferdam_model::{BootTime, EventId, ProcessRow, WallTime, WorkloadId};
use rusqlite::{ToSql, params_from_iter};

use super::library::{BootIndex, Part, Who};
use super::names::{Names, PROGRAM, Program};
use super::question::Question;
use crate::codec::{Columns, bits, row_id};

/// A program and where it was read.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) boot: BootIndex,
    pub(super) program: Program,
    ended: Option<BootTime>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) rows: Vec<Ran>,
    /// There were more than could be kept.
    pub(super) left_out: bool,
}

/// Finds the latest `most` programs that fit: those that ran at some time of the range.
pub(super) fn find(
    names: &mut Names<'_>,
    question: &Question,
    workloads: Option<&HashSet<Who>>,
    most: usize,
) -> Found {
    let library = names.library;
    let mut kept: BTreeMap<(WallTime, BootIndex, EventId), Ran> = BTreeMap::new();
    let mut left_out = false;
    for index in (0..library.parts.len()).rev() {
        library.ask(index, |part| {
            for (condition, values) in ways(part, workloads) {
                let sql = format!("SELECT boot, {PROGRAM} FROM process {condition}");
                let mut statement = part.conn.prepare_cached(&sql)?;
                let mut rows = statement.query(params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    let mut c = Columns::of(row);
                    let boot = part.boot(c.get()?)?;
                    let program = Program::read(&mut c)?;
                    let key = (library.wall(boot, program.began), boot, program.exec);
                    // A newer segment has the same row, or more of it.
                    if kept.contains_key(&key) || !fits(question, &program) {
                        continue;
                    }
                    let ended = names.end(boot, program.key);
                    let last = ended.unwrap_or(BootTime::from_nanos(u64::MAX));
                    if !question.in_range(library, boot, program.began, last) {
                        continue;
                    }
                    kept.insert(key, Ran { boot, program, ended });
                    if kept.len() > most {
                        kept.pop_first();
                        left_out = true;
                    }
                }
            }
            Ok(())
        });
    }
    Found { rows: kept.into_values().collect(), left_out }
}

fn fits(question: &Question, program: &Program) -> bool {
    question
        .binary
        .as_ref()
        .is_none_or(|binary| program.binary.as_ref().is_some_and(|path| binary.fits(path)))
}

type Way = (&'static str, Vec<Box<dyn ToSql>>);

fn ways(part: &Part, workloads: Option<&HashSet<Who>>) -> Vec<Way> {
    let Some(workloads) = workloads else { return vec![("", Vec::new())] };
    let numbered = workloads.iter().filter_map(|(boot, workload)| Some((part.number(*boot)?, *workload)));
    numbered
        .map(|(number, workload)| -> Way {
            (
                "INDEXED BY process_by_workload WHERE boot = ?1 AND workload = ?2",
                vec![Box::new(number), Box::new(bits(workload.0))],
            )
        })
        .collect()
}

/// How many programs fit of workloads that nobody has named.
pub(super) fn count_unnamed(names: &mut Names<'_>, question: &Question) -> u64 {
    const MOST: usize = 10_000;
    let mut unnamed = question.unnamed.clone();
    unnamed.extend((0..names.library.boots.len()).map(|boot| (boot, WorkloadId::UNKNOWN)));
    u64::try_from(find(names, question, Some(&unnamed), MOST).rows.len()).unwrap_or(u64::MAX)
}

/// Puts the names to a row.
pub(super) fn explain(names: &mut Names<'_>, ran: &Ran) -> ProcessRow {
    let library = names.library;
    let boot = &library.boots[ran.boot];
    let wall = |time: BootTime| library.wall(ran.boot, time);
    let program = &ran.program;
    ProcessRow {
        id: row_id(&boot.id, program.exec),
        parent: program.parent_exec.map(|exec| row_id(&boot.id, exec)),
        began: wall(program.began),
        ended: ran.ended.map(wall),
        workload: names.workload_name((ran.boot, program.workload)),
        pid: program.key.pid,
        process_start: wall(program.key.start),
        ppid: program.parent.map(|parent| parent.pid),
        uid: program.uid,
        binary: program.binary.clone(),
        binary_inode: program.inode.map(|inode| inode.to_string()),
        binary_origin: program.origin,
        interpreter: program.interpreter.clone(),
        interpreter_inode: program.interpreter_inode.map(|inode| inode.to_string()),
        exec_session: program.exec_session,
        runtime: program.runtime,
        adopted: program.adopted,
    }
}

/// A program by its event.
pub(super) fn by_id(names: &mut Names<'_>, boot: BootIndex, exec: EventId) -> Option<ProcessRow> {
    let program = names.program(boot, exec, usize::MAX)?;
    let ended = names.end(boot, program.key);
    Some(explain(names, &Ran { boot, program: (*program).clone(), ended }))
}
