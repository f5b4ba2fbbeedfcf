//! Attempts, as people read them.

use std::collections::HashSet;

use cofferdam_model::{AttemptKind, AttemptRow, BinaryOrigin, BootTime, InodeKey};
use rusqlite::Result;

use super::counter::{Body, Counter, program_of};
use super::names::Names;
use super::pattern::Pattern;
use crate::codec::{Columns, row_id};

/// What is an attempt's own.
#[derive(Debug, Clone)]
pub(super) struct AttemptBody {
    what: AttemptKind,
    object: String,
    inode: Option<InodeKey>,
    origin: Option<BinaryOrigin>,
    uid: Option<u32>,
    cgroup_path: Option<String>,
}

impl Body for AttemptBody {
    const TABLE: &'static str = "attempt";
    const COUNTED: &'static str = "t.at_boot_ns, t.at_boot_ns, 1, 0, NULL";
    const COLUMNS: &'static str = "t.what, t.object, t.device, t.device_generation, t.inode, t.inode_generation, \
         t.origin, t.uid, t.cgroup_path";
    const HAS_SECRET: bool = false;

    fn read(c: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(Self {
            what: c.word()?,
            object: c.get()?,
            inode: c.opt_inode()?,
            origin: c.opt_word()?,
            uid: c.get()?,
            cgroup_path: c.get()?,
        })
    }

    fn concerns(&self, _secrets: &HashSet<i64>, _asked: &Pattern) -> bool {
        false
    }
}

/// Puts the names to a row.
pub(super) fn explain(names: &mut Names<'_>, counter: &Counter<AttemptBody>) -> AttemptRow {
    let library = names.library;
    let boot = &library.boots[counter.boot];
    let wall = |time: BootTime| library.wall(counter.boot, time);
    let workload = names.workload_at(counter.who(), counter.first);
    let program = program_of(names, counter);
    let (w, p) = (workload.as_ref(), program.as_deref());
    let body = &counter.body;
    AttemptRow {
        id: row_id(&boot.id, counter.id),
        at: wall(counter.first),
        workload: w.and_then(|w| w.name.clone()),
        namespace: w.and_then(|w| w.namespace.clone()),
        pod: w.and_then(|w| w.pod.clone()),
        container: w.and_then(|w| w.container.clone()),
        container_id: w.and_then(|w| w.container_id.clone()),
        cgroup: body.cgroup_path.clone().or_else(|| w.and_then(|w| w.cgroup_path.clone())),
        binary: p.and_then(|p| p.binary.clone()),
        binary_inode: p.and_then(|p| p.inode).map(|inode| inode.to_string()),
        binary_origin: p.map_or(BinaryOrigin::Unknown, |p| p.origin),
        interpreter: p.and_then(|p| p.interpreter.clone()),
        pid: counter.process.map(|process| process.pid),
        process_start: counter.process.map(|process| wall(process.start)),
        boot_id: boot.id.clone(),
        ppid: p.and_then(|p| p.parent).map(|parent| parent.pid),
        uid: body.uid.or_else(|| p.map(|p| p.uid)),
        exec_session: p.and_then(|p| p.exec_session),
        what: body.what,
        object: body.object.clone(),
        object_inode: body.inode.map(|inode| inode.to_string()),
        object_origin: body.origin,
        verdict: counter.verdict,
        denied_by: counter.denied_by,
        enforced_by: counter.enforced_by,
        policy: counter.policy.clone(),
        rule: counter.rule.clone(),
        exception: counter.exception,
        generation: counter.generation,
    }
}
