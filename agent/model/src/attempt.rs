//! An attempt: what is neither an access nor a connection, and a policy refused or would have.

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{
    BinaryOrigin, BootTime, CgroupId, DeniedBy, EnforcedBy, EventId, InodeKey, ProcessKey, Verdict,
    WorkloadId,
};

words! {
    /// What was tried.
    AttemptKind: "attempt (execute, map-code, socket, signal, ptrace, agent-file, bpf, mount, unix, limit)" {
        /// To run a program.
        Execute = "execute",
        /// To map a file as code: a library, or what is to become one.
        MapCode = "map-code",
        /// To make a socket of a family or type that no rule about destinations can judge.
        Socket = "socket",
        /// To signal the agent.
        Signal = "signal",
        /// To trace a process or to reach its memory.
        Ptrace = "ptrace",
        /// To touch a file of the agent: its pins, or control files of its cgroup.
        AgentFile = "agent-file",
        /// To use bpf(2).
        Bpf = "bpf",
        /// To mount or unmount where the agent lives.
        Mount = "mount",
        /// To connect to a unix socket.
        Unix = "unix",
        /// To limit or slow the agent.
        Limit = "limit",
    }
}

/// One attempt that a rule decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The event.
    pub id: EventId,
    /// When it happened.
    pub at: BootTime,
    /// The workload as the kernel knew it.
    pub workload: WorkloadId,
    /// The cgroup.
    pub cgroup: CgroupId,
    /// Path of that cgroup, if it is not the one at the workload's root.
    pub cgroup_path: Option<String>,
    /// Host user id; `None` if the event did not tell it: then the program's.
    pub uid: Option<u32>,
    /// The process.
    pub process: Option<ProcessKey>,
    /// The program it ran.
    pub exec: Option<EventId>,
    /// What was tried.
    pub what: AttemptKind,
    /// On what: a path, a signal, a socket family. Never a value.
    pub object: String,
    /// The file, where there is one.
    pub inode: Option<InodeKey>,
    /// Where that file comes from, if it was to be executed.
    pub origin: Option<BinaryOrigin>,
    /// Our decision.
    pub verdict: Verdict,
    /// Who refused, if someone did.
    pub denied_by: Option<DeniedBy>,
    /// What enforces decisions of this class here.
    pub enforced_by: EnforcedBy,
    /// The deciding policy, if one did.
    pub policy: Option<String>,
    /// Which rule of it decided.
    pub rule: Option<String>,
    /// It passed only by an exception: `rule` is what it is excepted from.
    pub exception: bool,
    /// Policy generation that decided; 0 where there is no policy.
    pub generation: u64,
}
