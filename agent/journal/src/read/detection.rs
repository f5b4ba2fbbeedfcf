//! What rules have found, as people read it.

use std::collections::{BTreeMap, HashSet};

use cofferdam_model::{
    BinaryOrigin, BootTime, Contain, DetectionRow, EventId, ProcessKey, Severity, ToldRow, WallTime,
    WorkloadId,
};
use rusqlite::{OptionalExtension as _, Result, Row};
use serde::Deserialize;

use super::library::{BootIndex, Part};
use super::names::{Names, Program};
use super::question::Question;
use crate::codec::{Columns, bits, row_id};

/// A detection and where it was read.
#[derive(Debug)]
pub(super) struct Finding {
    part: usize,
    boot: BootIndex,
    rule: String,
    event: EventId,
    at: BootTime,
    title: String,
    severity: Severity,
    techniques: Vec<String>,
    workload: WorkloadId,
    uid: Option<u32>,
    process: Option<ProcessKey>,
    exec: Option<EventId>,
    secret: Option<i64>,
    evidence: Vec<i64>,
    told: Vec<Told>,
    withheld: u64,
    contain: Contain,
    revoke: bool,
}

/// As it is stored.
#[derive(Debug, Deserialize)]
struct Told {
    event: i64,
    field: String,
    value: String,
}

/// The columns of a finding, in the order of [`Finding::read`].
const COLUMNS: &str = "boot, rule, event, at_boot_ns, title, severity, techniques, workload, uid, pid, start_boot_ns, \
     exec, secret, evidence, told, withheld, contain, revoke";

impl Finding {
    fn read(index: usize, part: &Part, row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::of(row);
        Ok(Self {
            part: index,
            boot: part.boot(c.get()?)?,
            rule: c.get()?,
            event: c.event()?,
            at: c.time()?,
            title: c.get()?,
            severity: c.word()?,
            techniques: c.json()?,
            workload: c.workload()?,
            uid: c.get()?,
            process: c.opt_process()?,
            exec: c.opt_event()?,
            secret: c.get()?,
            evidence: c.json()?,
            told: c.json()?,
            withheld: c.unsigned()?,
            contain: c.word()?,
            revoke: c.get()?,
        })
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) rows: Vec<Finding>,
    /// There were more than could be kept.
    pub(super) left_out: bool,
}

/// Finds the latest `most` detections that fit. One that stands in several segments is one.
pub(super) fn find(names: &mut Names<'_>, question: &Question, most: usize) -> Found {
    let library = names.library;
    let mut kept: BTreeMap<(WallTime, BootIndex, EventId, String), Finding> = BTreeMap::new();
    let mut left_out = false;
    for (index, part) in library.parts.iter().enumerate().rev() {
        if !question.may_hold(&library.clocks(), part) {
            continue;
        }
        library.ask(index, |part| {
            let mut statement = part.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM detection"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let found = Finding::read(index, part, row)?;
                if !fits(names, question, &found) {
                    continue;
                }
                let at = library.wall(found.boot, found.at);
                kept.insert((at, found.boot, found.event, found.rule.clone()), found);
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

fn fits(names: &mut Names<'_>, question: &Question, found: &Finding) -> bool {
    question.wants((found.boot, found.workload))
        && question.severity.is_none_or(|least| found.severity >= least)
        && question.rule.as_ref().is_none_or(|rule| rule.fits(&found.rule))
        && question.in_range(names.library, found.boot, found.at, found.at)
        && question.secrets.as_ref().is_none_or(|wanted| concerns(names, wanted, found))
        && question.binary.as_ref().is_none_or(|binary| {
            let program = program_of(names, found);
            program.and_then(|program| program.binary.clone()).is_some_and(|path| binary.fits(&path))
        })
}

fn concerns(names: &mut Names<'_>, wanted: &HashSet<String>, found: &Finding) -> bool {
    let secret = found.secret.and_then(|id| names.secret(found.part, id));
    secret.is_some_and(|secret| wanted.contains(&secret.identity))
}

fn program_of(names: &mut Names<'_>, found: &Finding) -> Option<std::rc::Rc<Program>> {
    match found.exec {
        Some(exec) => names.program(found.boot, exec, found.part),
        None => names.program_at(found.boot, found.process?, found.at),
    }
}

/// The detection of a rule that an event has completed.
pub(super) fn by_id(
    names: &mut Names<'_>,
    boot: BootIndex,
    event: EventId,
    rule: &str,
) -> Option<DetectionRow> {
    let sql = format!("SELECT {COLUMNS} FROM detection WHERE boot = ?1 AND rule = ?2 AND event = ?3");
    let library = names.library;
    let found = library.knowing(boot).rev().find_map(|(index, number)| {
        library.ask(index, |part| {
            part.conn
                .prepare_cached(&sql)?
                .query_row((number, rule, bits(event.0)), |row| Finding::read(index, part, row))
                .optional()
        })?
    })?;
    Some(explain(names, found))
}

/// Puts the names to a row.
pub(super) fn explain(names: &mut Names<'_>, found: Finding) -> DetectionRow {
    let library = names.library;
    let boot = &library.boots[found.boot];
    let workload = names.workload_at((found.boot, found.workload), found.at);
    let program = program_of(names, &found);
    let secret = found.secret.and_then(|id| names.secret(found.part, id));
    let id = |event: i64| row_id(&boot.id, EventId(event.cast_unsigned()));
    let (w, p, s) = (workload.as_ref(), program.as_deref(), secret.as_deref());
    DetectionRow {
        id: format!("{}/{}", row_id(&boot.id, found.event), found.rule),
        at: library.wall(found.boot, found.at),
        title: found.title,
        severity: found.severity,
        techniques: found.techniques,
        workload: w.and_then(|w| w.name.clone()),
        namespace: w.and_then(|w| w.namespace.clone()),
        pod: w.and_then(|w| w.pod.clone()),
        container: w.and_then(|w| w.container.clone()),
        container_id: w.and_then(|w| w.container_id.clone()),
        binary: p.and_then(|p| p.binary.clone()),
        binary_origin: p.map_or(BinaryOrigin::Unknown, |p| p.origin),
        pid: found.process.map(|process| process.pid),
        process_start: found.process.map(|process| library.wall(found.boot, process.start)),
        uid: found.uid.or_else(|| p.map(|p| p.uid)),
        exec_session: p.and_then(|p| p.exec_session),
        secret: s.map(|s| s.display.clone()),
        secret_kind: s.map(|s| s.kind),
        key: s.and_then(|s| s.key.clone()),
        evidence: found.evidence.into_iter().map(id).collect(),
        told: found
            .told
            .into_iter()
            .map(|it| ToldRow { event: id(it.event), field: it.field, value: it.value })
            .collect(),
        withheld: found.withheld,
        contain: found.contain,
        revoke: found.revoke,
        boot_id: boot.id.clone(),
        rule: found.rule,
    }
}
