//! Records as their watchers see them: joined from memory, as the journal joins them from its tables.

use cofferdam_api::Event;
use cofferdam_model::{
    Access, AccessRow, Attempt, AttemptRow, Audit, AuditRow, BinaryOrigin, BootId, CgroupId, Clock,
    Connection, ConnectionRow, EventId, Loss, LossRow, Process, ProcessKey, ProcessRow, Record, TargetRow,
    Workload, WorkloadId,
};

use crate::state::State;

/// What rows are made from.
pub struct View<'a> {
    /// Who is who.
    pub state: &'a State,
    /// This boot.
    pub boot: &'a BootId,
    /// Both clocks.
    pub clock: Clock,
}

impl View<'_> {
    /// A record as an event to watch; `None` for what is no event.
    pub fn event(&self, record: &Record) -> Option<Event> {
        match record {
            Record::Access(access) => Some(Event::Access(Box::new(self.access(access)))),
            Record::Connection(connection) => Some(Event::Connection(Box::new(self.connection(connection)))),
            Record::Process(process) => Some(Event::Process(Box::new(self.process(process, None)))),
            Record::Exit { exec, at, .. } => {
                let process = self.state.program(*exec)?;
                let ended = Some(self.clock.wall(*at));
                Some(Event::Process(Box::new(self.process(process, ended))))
            }
            Record::Attempt(attempt) => Some(Event::Attempt(Box::new(self.attempt(attempt)))),
            Record::Audit(audit) => Some(Event::Audit(Box::new(self.audit(audit)))),
            Record::Detection(found) => {
                let (workload, program) = (self.workload(found.workload), self.program(found.exec));
                Some(Event::from(found.row(self.boot, &self.clock, workload, program)))
            }
            Record::Loss(loss) => Some(Event::Loss(self.loss(loss))),
            Record::Workload(_) | Record::Secret { .. } => None,
        }
    }

    fn id(&self, id: EventId) -> String {
        format!("{}-{:x}", &self.boot.as_str()[..8], id.0)
    }

    fn workload(&self, id: WorkloadId) -> Option<&Workload> {
        self.state.workloads.get(id)
    }

    fn name(&self, id: WorkloadId) -> Option<String> {
        self.workload(id).map(|workload| workload.name().as_str().to_owned())
    }

    fn program(&self, exec: Option<EventId>) -> Option<&Process> {
        exec.and_then(|exec| self.state.program(exec))
    }

    fn program_of(&self, process: ProcessKey) -> Option<&Process> {
        self.state.program_of(process)
    }

    fn cgroup(&self, id: CgroupId) -> Option<String> {
        self.state.workloads.path(id).map(str::to_owned)
    }

    fn access(&self, access: &Access) -> AccessRow {
        let workload = self.workload(access.workload);
        let program = self.program(access.exec);
        let target = access.target.as_ref().map(|target| TargetRow {
            relation: target.relation,
            pid: target.process.pid,
            process_start: self.clock.wall(target.process.start),
            workload: self.name(target.workload),
            binary: self.program_of(target.process).and_then(|program| program.executable.path.clone()),
        });
        AccessRow {
            id: self.id(access.id),
            first: self.clock.wall(access.first),
            last: self.clock.wall(access.last),
            count: access.total,
            workload: self.name(access.workload),
            namespace: workload.and_then(|workload| workload.namespace.clone()),
            pod: workload.and_then(|workload| workload.pod.clone()),
            container: workload.and_then(|workload| workload.container.clone()),
            container_id: container_id(workload),
            cgroup: self.cgroup(access.cgroup),
            binary: program.and_then(|program| program.executable.path.clone()),
            binary_inode: inode(program),
            binary_origin: program.map_or(BinaryOrigin::Unknown, |program| program.executable.origin),
            interpreter: program.and_then(|program| program.executable.interpreter.clone()),
            pid: access.process.map(|process| process.pid),
            process_start: access.process.map(|process| self.clock.wall(process.start)),
            boot_id: self.boot.clone(),
            ppid: program.and_then(|program| program.parent).map(|parent| parent.pid),
            uid: access.uid.or_else(|| program.map(|program| program.uid)),
            exec_session: program.and_then(|program| program.exec_session),
            secret: access.secret.display_name(),
            secret_kind: access.secret.kind,
            secret_uid: access.secret.uid.clone(),
            key: access.secret.key.clone(),
            how: access.how,
            mode: access.mode,
            target,
            verdict: access.verdict,
            denied_by: access.denied_by,
            enforced_by: access.enforced_by,
            policy: access.policy.clone(),
            rule: access.rule.clone(),
            exception: access.exception,
            generation: access.generation,
            order: access.order,
            image: workload.and_then(|workload| workload.image.as_ref()).map(|image| image.name.clone()),
            labels: workload.map(|workload| workload.labels.clone()).unwrap_or_default(),
        }
    }

    fn connection(&self, connection: &Connection) -> ConnectionRow {
        let workload = self.workload(connection.workload);
        let program = self.program(connection.exec);
        ConnectionRow {
            id: self.id(connection.id),
            first: self.clock.wall(connection.first),
            last: self.clock.wall(connection.last),
            count: connection.total,
            workload: self.name(connection.workload),
            namespace: workload.and_then(|workload| workload.namespace.clone()),
            pod: workload.and_then(|workload| workload.pod.clone()),
            container: workload.and_then(|workload| workload.container.clone()),
            container_id: container_id(workload),
            cgroup: self.cgroup(connection.cgroup),
            binary: program.and_then(|program| program.executable.path.clone()),
            binary_inode: inode(program),
            binary_origin: program.map_or(BinaryOrigin::Unknown, |program| program.executable.origin),
            interpreter: program.and_then(|program| program.executable.interpreter.clone()),
            pid: connection.process.map(|process| process.pid),
            process_start: connection.process.map(|process| self.clock.wall(process.start)),
            boot_id: self.boot.clone(),
            ppid: program.and_then(|program| program.parent).map(|parent| parent.pid),
            uid: connection.uid.or_else(|| program.map(|program| program.uid)),
            exec_session: program.and_then(|program| program.exec_session),
            destination: connection.destination.map(|address| address.to_string()),
            port: connection.port,
            protocol: connection.protocol,
            family: connection.family,
            unconnected: connection.unconnected,
            tainted_by: connection.tainted_by.clone(),
            verdict: connection.verdict,
            denied_by: connection.denied_by,
            enforced_by: connection.enforced_by,
            policy: connection.policy.clone(),
            rule: connection.rule.clone(),
            exception: connection.exception,
            generation: connection.generation,
        }
    }

    fn attempt(&self, attempt: &Attempt) -> AttemptRow {
        let workload = self.workload(attempt.workload);
        let program = self.program(attempt.exec);
        AttemptRow {
            id: self.id(attempt.id),
            at: self.clock.wall(attempt.at),
            workload: self.name(attempt.workload),
            namespace: workload.and_then(|workload| workload.namespace.clone()),
            pod: workload.and_then(|workload| workload.pod.clone()),
            container: workload.and_then(|workload| workload.container.clone()),
            container_id: container_id(workload),
            cgroup: self.cgroup(attempt.cgroup),
            binary: program.and_then(|program| program.executable.path.clone()),
            binary_inode: inode(program),
            binary_origin: program.map_or(BinaryOrigin::Unknown, |program| program.executable.origin),
            interpreter: program.and_then(|program| program.executable.interpreter.clone()),
            pid: attempt.process.map(|process| process.pid),
            process_start: attempt.process.map(|process| self.clock.wall(process.start)),
            boot_id: self.boot.clone(),
            ppid: program.and_then(|program| program.parent).map(|parent| parent.pid),
            uid: attempt.uid.or_else(|| program.map(|program| program.uid)),
            exec_session: program.and_then(|program| program.exec_session),
            what: attempt.what,
            object: attempt.object.clone(),
            object_inode: attempt.inode.map(|inode| inode.to_string()),
            object_origin: attempt.origin,
            verdict: attempt.verdict,
            denied_by: attempt.denied_by,
            enforced_by: attempt.enforced_by,
            policy: attempt.policy.clone(),
            rule: attempt.rule.clone(),
            exception: attempt.exception,
            generation: attempt.generation,
        }
    }

    fn audit(&self, audit: &Audit) -> AuditRow {
        AuditRow {
            at: self.clock.wall(audit.at),
            what: audit.what,
            subject: audit.subject.clone(),
            workload: audit.workload.and_then(|id| self.name(id)),
            by: audit.by,
            detail: audit.detail.clone(),
            boot_id: self.boot.clone(),
        }
    }

    fn process(&self, process: &Process, ended: Option<cofferdam_model::WallTime>) -> ProcessRow {
        ProcessRow {
            id: self.id(process.exec),
            parent: process.parent_exec.map(|exec| self.id(exec)),
            began: self.clock.wall(process.began),
            ended,
            workload: self.name(process.workload),
            pid: process.key.pid,
            process_start: self.clock.wall(process.key.start),
            ppid: process.parent.map(|parent| parent.pid),
            uid: process.uid,
            binary: process.executable.path.clone(),
            binary_inode: inode(Some(process)),
            binary_origin: process.executable.origin,
            interpreter: process.executable.interpreter.clone(),
            interpreter_inode: process.executable.interpreter_inode.map(|inode| inode.to_string()),
            exec_session: process.exec_session,
            runtime: process.runtime,
            adopted: process.adopted,
        }
    }

    fn loss(&self, loss: &Loss) -> LossRow {
        LossRow {
            since: self.clock.wall(loss.since),
            until: self.clock.wall(loss.until),
            hook: loss.hook.clone(),
            workload: loss.workload.and_then(|id| self.name(id)),
            reason: loss.reason,
            count: loss.count,
        }
    }
}

fn container_id(workload: Option<&Workload>) -> Option<String> {
    workload.and_then(|workload| workload.kind.container_id()).map(ToString::to_string)
}

fn inode(program: Option<&Process>) -> Option<String> {
    program.and_then(|program| program.executable.inode).map(|inode| inode.to_string())
}
