//! Connections, as people read them.

use std::collections::HashSet;

use cofferdam_model::{BinaryOrigin, BootTime, ConnectionRow, Protocol};
use rusqlite::Result;

use super::counter::{Body, Counter, program_of};
use super::names::Names;
use super::pattern::Pattern;
use crate::codec::{Columns, from_json, row_id};

/// What is a connection's own.
#[derive(Debug, Clone)]
pub(super) struct ConnectionBody {
    destination: Option<String>,
    port: u16,
    protocol: Protocol,
    family: u8,
    unconnected: bool,
    tainted_by: Option<String>,
    uid: Option<u32>,
    cgroup_path: Option<String>,
}

impl Body for ConnectionBody {
    const TABLE: &'static str = "connection";
    const COLUMNS: &'static str = "t.destination, t.port, t.protocol, t.family, t.unconnected, t.tainted_by, \
         t.uid, t.cgroup_path";
    const HAS_SECRET: bool = false;

    fn read(c: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(Self {
            destination: c.get()?,
            port: c.get()?,
            protocol: c.word()?,
            family: c.get()?,
            unconnected: c.get()?,
            tainted_by: c.get()?,
            uid: c.get()?,
            cgroup_path: c.get()?,
        })
    }

    fn concerns(&self, _secrets: &HashSet<i64>, asked: &Pattern) -> bool {
        self.touched().iter().any(|touched| {
            asked.fits(touched) || touched.rsplit_once(':').is_some_and(|(secret, _key)| asked.fits(secret))
        })
    }
}

impl ConnectionBody {
    fn touched(&self) -> Vec<String> {
        let Some(list) = &self.tainted_by else { return Vec::new() };
        from_json(list).unwrap_or_else(|_| vec![list.clone()])
    }
}

/// Puts the names to a row.
pub(super) fn explain(names: &mut Names<'_>, counter: &Counter<ConnectionBody>) -> ConnectionRow {
    let library = names.library;
    let boot = &library.boots[counter.boot];
    let wall = |time: BootTime| library.wall(counter.boot, time);
    let workload = names.workload_at(counter.who(), counter.first);
    let program = program_of(names, counter);
    let (w, p) = (workload.as_ref(), program.as_deref());
    let body = &counter.body;
    ConnectionRow {
        id: row_id(&boot.id, counter.id),
        first: wall(counter.first),
        last: wall(counter.last),
        count: counter.count,
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
        destination: body.destination.clone(),
        port: body.port,
        protocol: body.protocol,
        family: body.family,
        unconnected: body.unconnected,
        tainted_by: body.touched(),
        verdict: counter.verdict,
        denied_by: counter.denied_by,
        enforced_by: counter.enforced_by,
        policy: counter.policy.clone(),
        rule: counter.rule.clone(),
        exception: counter.exception,
        generation: counter.generation,
    }
}
