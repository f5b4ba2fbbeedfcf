//! Attempts: what is neither an access nor a connection, and was refused or would have been.

use cofferdam_model::{Attempt, AttemptKind, CgroupId, EnforcedBy, Record, WorkloadId};
use cofferdam_sensor::Event;
use cofferdam_sensor::abi::event::{attempt, limited};

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
        attempt::LIMIT => AttemptKind::Limit,
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
        AttemptKind::Limit => limit(detail),
    }
}

/// Names of `RLIMIT_*` by number, include/uapi/asm-generic/resource.h.
const RESOURCES: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

/// How the agent was to be limited.
fn limit(detail: u64) -> String {
    let (how, number) = (detail & u64::from(u32::MAX), detail >> 32);
    match how {
        limited::RESOURCE => {
            let name = usize::try_from(number).ok().and_then(|number| RESOURCES.get(number));
            name.map_or_else(
                || format!("limit {number} of the agent"),
                |name| format!("limit `{name}` of the agent"),
            )
        }
        limited::SCHEDULING => "scheduling of the agent".to_owned(),
        limited::NICE => "nice value of the agent".to_owned(),
        limited::IO_PRIORITY => "input and output priority of the agent".to_owned(),
        other => format!("limit of the agent in way {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_the_agent_is_told_by_its_name() {
        assert_eq!(limit(limited::RESOURCE), "limit `cpu` of the agent");
        assert_eq!(limit(limited::RESOURCE | 7 << 32), "limit `nofile` of the agent");
        assert_eq!(limit(limited::RESOURCE | 99 << 32), "limit 99 of the agent");
        assert_eq!(limit(limited::NICE), "nice value of the agent");
    }
}
