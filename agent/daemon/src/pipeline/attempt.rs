//! Attempts: what is neither an access nor a connection, and was refused or would have been.

use cofferdam_model::{Attempt, AttemptKind, CgroupId, EnforcedBy, Record, WorkloadId};
use cofferdam_sensor::Event;
use cofferdam_sensor::abi::event::attempt;

use super::{Pipeline, verdict_of};
use crate::facts;

/// Who refuses what every workload is refused, policy or not.
const OWN_PROTECTION: &str = "self-protection";

impl Pipeline {
    pub(super) fn attempt_event(&mut self, event: Event) {
        let Event::Attempt { stamp, process, what, file, facts, verdict, ruled, detail, path } = event else {
            return;
        };
        self.referenced(&process);
        let cgroup = CgroupId(process.cgroup);
        let workload = self.state.workload_of(WorkloadId(process.workload), cgroup);
        let exec = facts::exec_id(&process);
        self.find_program(exec, process.tgid);
        if let Some(exec) = exec {
            self.journal_program(exec);
        }
        let Some(what) = kind(what) else { return };
        let of_agent = ruled.1 == 0;
        let decided = self.decided(ruled, verdict, EnforcedBy::Lsm);
        let is_file = what == AttemptKind::Execute;
        self.batch.push(Record::Attempt(Attempt {
            id: stamp.id,
            at: stamp.time,
            workload,
            cgroup,
            cgroup_path: self.state.path_elsewhere(workload, cgroup),
            uid: Some(process.uid),
            process: facts::process_key(&process),
            exec,
            what,
            object: object(what, detail, path),
            inode: facts::inode(file),
            origin: is_file.then(|| facts::origin(facts, self.state.is_container(workload))),
            verdict: verdict_of(verdict),
            denied_by: decided.denied_by,
            enforced_by: decided.enforced_by,
            policy: decided.policy,
            rule: if of_agent { Some(OWN_PROTECTION.to_owned()) } else { decided.rule },
            exception: decided.exception,
            generation: ruled.0.into(),
        }));
    }
}

fn kind(number: u16) -> Option<AttemptKind> {
    Some(match number {
        attempt::EXECUTE => AttemptKind::Execute,
        attempt::MAP_CODE => AttemptKind::MapCode,
        attempt::SOCKET => AttemptKind::Socket,
        attempt::SIGNAL => AttemptKind::Signal,
        attempt::PTRACE => AttemptKind::Ptrace,
        attempt::AGENT_FILE => AttemptKind::AgentFile,
        attempt::BPF => AttemptKind::Bpf,
        attempt::MOUNT => AttemptKind::Mount,
        attempt::UNIX => AttemptKind::Unix,
        _ => return None,
    })
}

/// What was reached for, in words.
fn object(what: AttemptKind, detail: u64, path: String) -> String {
    match what {
        AttemptKind::Execute | AttemptKind::MapCode | AttemptKind::AgentFile | AttemptKind::Unix => path,
        AttemptKind::Socket => match detail {
            17 => "packet socket".to_owned(),
            40 => "vsock socket".to_owned(),
            family => format!("socket of family {family}"),
        },
        AttemptKind::Signal => format!("signal {detail} to the agent"),
        AttemptKind::Ptrace => "the agent's memory".to_owned(),
        AttemptKind::Bpf => format!("bpf command {detail}"),
        AttemptKind::Mount => "a mount of the host".to_owned(),
    }
}
