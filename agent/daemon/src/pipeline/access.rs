//! Accesses: from an event or a counter to a record.

use cofferdam_model::{
    Access, AccessKind, AccessMode, BootTime, CgroupId, EventId, ProcessKey, Record, SecretKind, SecretRef,
    Target, TargetRelation, WorkloadId,
};
use cofferdam_sensor::abi::count::Count;
use cofferdam_sensor::abi::event::{how, mode};
use cofferdam_sensor::abi::key::{AccessKey, InodeKey};
use cofferdam_sensor::{Event, model_inode};

use super::{Pipeline, first_count, verdict_of};
use crate::counts::Key;

/// What only the event of a first access tells.
pub(super) struct Told {
    target: (WorkloadId, CgroupId),
    uid: u32,
    ruled: (u32, u32),
}

impl Pipeline {
    pub(super) fn access_event(&mut self, event: Event) {
        let Event::Access {
            stamp,
            process,
            object,
            target_workload,
            target_cgroup,
            how,
            mode,
            verdict,
            uncounted,
            ruled,
            names,
        } = event
        else {
            return;
        };
        self.referenced(&process);
        let key = AccessKey {
            start: process.start,
            exec: process.exec,
            object,
            workload: process.workload,
            tgid: process.tgid,
            how,
            mode,
            verdict,
        };
        if !uncounted {
            self.accesses.first(key, stamp.id);
        }
        let count = first_count(&stamp, &process);
        let told = Told { target: (target_workload, target_cgroup), uid: process.uid, ruled };
        self.access(&key, stamp.id, &count, &names, Some(told));
    }

    /// Makes the record of an access. Without an event the names and the target are found again.
    pub(super) fn access(
        &mut self,
        key: &AccessKey,
        id: EventId,
        count: &Count,
        names: &[String],
        told: Option<Told>,
    ) {
        let is_new = told.is_some() || count.unsent != 0 || key.tgid == 0;
        let counted = (count.generation, count.rule);
        let (target, uid, ruled) =
            told.map_or((None, None, counted), |told| (Some(told.target), Some(told.uid), told.ruled));
        let is_process = matches!(key.how, how::ENVIRON | how::PTRACE);
        let cgroup = CgroupId(count.cgroup);
        let workload = self.state.workload_of(WorkloadId(key.workload), cgroup);
        let exec = key.program();
        let is_one_process = is_process && key.object.generation != 0;
        let target = is_one_process.then(|| self.target(key, workload, target));
        let secret = match &target {
            Some(target) => environment(target.workload),
            None if is_process => environment(WorkloadId::UNKNOWN),
            None => match self.secrets.resolve(model_inode(key.object), names, &mut self.query) {
                Some(secret) => secret,
                None if is_new && key.tgid != std::process::id() => {
                    unknown(key.object == InodeKey::default())
                }
                // Not one of ours any more, or the self-test's.
                None => return,
            },
        };
        let name = secret_label(&secret);
        self.find_program(exec, key.tgid);
        let own = target.as_ref().is_some_and(|target| target.relation == TargetRelation::Own);
        let order = (!own && key.tgid != 0).then(|| self.state.first_reads.order(workload, &name)).flatten();
        if let Some(exec) = exec {
            self.journal_program(exec);
            if !own {
                self.state.processes.touched(exec, &name, BootTime::from_nanos(count.first));
            }
        }
        let target_program = target.as_ref().and_then(|target| self.state.program_of(target.process));
        if let Some(exec) = target_program.map(|program| program.exec) {
            self.journal_program(exec);
        }
        let decided = self.decided(ruled, key.verdict, self.enforcing(key.verdict));
        self.batch.push(Record::Access(Access {
            id,
            first: BootTime::from_nanos(count.first),
            last: BootTime::from_nanos(count.last),
            total: count.total,
            workload,
            cgroup,
            cgroup_path: self.state.path_elsewhere(workload, cgroup),
            uid,
            process: key.process(),
            exec,
            secret,
            inode: (!is_process).then(|| model_inode(key.object)),
            how: access_kind(key.how),
            mode: access_mode(key.mode),
            target,
            verdict: verdict_of(key.verdict),
            denied_by: decided.denied_by,
            enforced_by: decided.enforced_by,
            policy: decided.policy,
            rule: decided.rule,
            exception: decided.exception,
            generation: ruled.0.into(),
            order,
        }));
    }

    fn target(&self, key: &AccessKey, reader: WorkloadId, told: Option<(WorkloadId, CgroupId)>) -> Target {
        let process = ProcessKey { pid: key.object.generation, start: BootTime::from_nanos(key.object.ino) };
        let known = self.state.program_of(process);
        let (workload, cgroup) = match (told, known) {
            (Some((workload, cgroup)), _) => (self.state.workload_of(workload, cgroup), cgroup),
            (None, Some(known)) => (known.workload, known.cgroup),
            (None, None) => (WorkloadId::UNKNOWN, CgroupId(0)),
        };
        let relation = if key.process() == Some(process) {
            TargetRelation::Own
        } else if workload.is_known() && workload == reader {
            TargetRelation::Sibling
        } else {
            TargetRelation::Other
        };
        Target { process, workload, cgroup, relation }
    }
}

/// The environment of a workload's processes, as a secret.
pub fn environment(owner: WorkloadId) -> SecretRef {
    SecretRef {
        kind: SecretKind::Environment,
        namespace: None,
        name: "environment".to_owned(),
        pod_uid: None,
        uid: None,
        key: None,
        owner: owner.is_known().then_some(owner),
    }
}

/// A secret that nobody can name any more, or several that share a counter.
fn unknown(several: bool) -> SecretRef {
    SecretRef {
        kind: SecretKind::Unknown,
        namespace: None,
        name: if several { "several" } else { "unknown" }.to_owned(),
        pod_uid: None,
        uid: None,
        key: None,
        owner: None,
    }
}

/// Display name with key, as `tainted_by` shows it.
pub fn secret_label(secret: &SecretRef) -> String {
    match &secret.key {
        Some(key) => format!("{}:{key}", secret.display_name()),
        None => secret.display_name(),
    }
}

fn access_kind(number: u16) -> AccessKind {
    match number {
        how::RECEIVE => AccessKind::Receive,
        how::MMAP => AccessKind::Mmap,
        how::ENVIRON => AccessKind::Environ,
        how::PTRACE => AccessKind::Ptrace,
        how::MOVE => AccessKind::Move,
        _ => AccessKind::Open,
    }
}

fn access_mode(bits: u8) -> AccessMode {
    match (bits & mode::ATTACH != 0, bits & mode::READ != 0, bits & mode::WRITE != 0) {
        (true, ..) => AccessMode::Attach,
        (_, true, true) => AccessMode::ReadWrite,
        (_, false, true) => AccessMode::Write,
        _ => AccessMode::Read,
    }
}
