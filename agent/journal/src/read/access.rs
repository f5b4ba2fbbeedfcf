//! Accesses, as people read them.

use std::collections::HashSet;

use cofferdam_model::{
    AccessKind, AccessMode, AccessRow, BinaryOrigin, BootTime, ProcessKey, SecretKind, TargetRelation,
    TargetRow, WorkloadId,
};
use rusqlite::Result;

use super::counter::{Body, Counter, program_of};
use super::names::Names;
use super::pattern::Pattern;
use crate::codec::{Columns, row_id};

/// What is an access's own.
#[derive(Debug, Clone)]
pub(super) struct AccessBody {
    secret: i64,
    how: AccessKind,
    mode: AccessMode,
    target: Option<TargetColumns>,
    order: Option<u64>,
    uid: Option<u32>,
    cgroup_path: Option<String>,
}

#[derive(Debug, Clone)]
struct TargetColumns {
    relation: TargetRelation,
    process: ProcessKey,
    workload: WorkloadId,
}

impl Body for AccessBody {
    const TABLE: &'static str = "access";
    const COLUMNS: &'static str = "t.secret, t.how, t.mode, t.target_relation, t.target_pid, t.target_start_boot_ns, \
         t.target_workload, t.\"order\", t.uid, t.cgroup_path";
    const HAS_SECRET: bool = true;

    fn read(c: &mut Columns<'_, '_>) -> Result<Self> {
        let (secret, how, mode) = (c.get()?, c.word()?, c.word()?);
        let relation: Option<TargetRelation> = c.opt_word()?;
        let process = c.opt_process()?;
        let workload = c.opt_unsigned()?.map_or(WorkloadId::UNKNOWN, WorkloadId);
        let target =
            relation.zip(process).map(|(relation, process)| TargetColumns { relation, process, workload });
        Ok(Self { secret, how, mode, target, order: c.opt_unsigned()?, uid: c.get()?, cgroup_path: c.get()? })
    }

    fn concerns(&self, secrets: &HashSet<i64>, _asked: &Pattern) -> bool {
        secrets.contains(&self.secret)
    }
}

/// Puts the names to a row.
pub(super) fn explain(names: &mut Names<'_>, counter: &Counter<AccessBody>) -> AccessRow {
    let library = names.library;
    let boot = &library.boots[counter.boot];
    let wall = |time: BootTime| library.wall(counter.boot, time);
    let workload = names.workload_at(counter.who(), counter.first);
    let program = program_of(names, counter);
    let secret = names.secret(counter.part, counter.body.secret);
    let target = counter.body.target.as_ref().map(|target| TargetRow {
        relation: target.relation,
        pid: target.process.pid,
        process_start: wall(target.process.start),
        workload: names.workload_name((counter.boot, target.workload)),
        binary: names
            .program_at(counter.boot, target.process, counter.first)
            .and_then(|program| program.binary.clone()),
    });
    let (w, p, s) = (workload.as_ref(), program.as_deref(), secret.as_deref());
    AccessRow {
        id: row_id(&boot.id, counter.id),
        first: wall(counter.first),
        last: wall(counter.last),
        count: counter.count,
        workload: w.and_then(|w| w.name.clone()),
        namespace: w.and_then(|w| w.namespace.clone()),
        pod: w.and_then(|w| w.pod.clone()),
        container: w.and_then(|w| w.container.clone()),
        container_id: w.and_then(|w| w.container_id.clone()),
        cgroup: counter.body.cgroup_path.clone().or_else(|| w.and_then(|w| w.cgroup_path.clone())),
        binary: p.and_then(|p| p.binary.clone()),
        binary_inode: p.and_then(|p| p.inode).map(|inode| inode.to_string()),
        binary_origin: p.map_or(BinaryOrigin::Unknown, |p| p.origin),
        interpreter: p.and_then(|p| p.interpreter.clone()),
        pid: counter.process.map(|process| process.pid),
        process_start: counter.process.map(|process| wall(process.start)),
        boot_id: boot.id.clone(),
        ppid: p.and_then(|p| p.parent).map(|parent| parent.pid),
        uid: counter.body.uid.or_else(|| p.map(|p| p.uid)),
        exec_session: p.and_then(|p| p.exec_session),
        secret: s.map_or_else(|| "unknown".to_owned(), |s| s.display.clone()),
        secret_kind: s.map_or(SecretKind::Configured, |s| s.kind),
        secret_uid: s.and_then(|s| s.uid.clone()),
        key: s.and_then(|s| s.key.clone()),
        how: counter.body.how,
        mode: counter.body.mode,
        target,
        verdict: counter.verdict,
        denied_by: counter.denied_by,
        enforced_by: counter.enforced_by,
        policy: counter.policy.clone(),
        rule: counter.rule.clone(),
        exception: counter.exception,
        generation: counter.generation,
        order: counter.body.order,
        image: w.and_then(|w| w.image.clone()),
        labels: w.map(|w| w.labels.clone()).unwrap_or_default(),
    }
}
