//! An access: a process of a workload opened or read a secret, or tried to.

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{
    BootTime, CgroupId, DeniedBy, EnforcedBy, EventId, InodeKey, ProcessKey, SecretRef, Verdict, WorkloadId,
};

words! {
    /// How the secret was reached.
    AccessKind: "way of access (open, receive, mmap, environ, ptrace, held)" {
        /// Opened: open, openat, openat2, io_uring, open_by_handle_at.
        Open = "open",
        /// Its descriptor was received over a unix socket.
        Receive = "receive",
        /// A file or folder of secrets was renamed or linked.
        Move = "move",
        /// Mapped into memory.
        Mmap = "mmap",
        /// `/proc/<pid>/environ` was opened.
        Environ = "environ",
        /// Another process's memory was asked for.
        Ptrace = "ptrace",
        /// The descriptor was already open when the agent started; `first` is when it was found.
        Held = "held",
    }
}

words! {
    /// What the access asked for.
    AccessMode: "mode (read, write, read-write, attach)" {
        /// Reading; for `ptrace`, only looking.
        Read = "read",
        /// Writing only.
        Write = "write",
        /// Both.
        ReadWrite = "read-write",
        /// For `ptrace`: memory access or control.
        Attach = "attach",
    }
}

words! {
    /// Whose environment or memory was read.
    TargetRelation: "relation (own, sibling, other)" {
        /// The reader's own process.
        Own = "own",
        /// Another process of the same workload.
        Sibling = "sibling",
        /// A process of another workload.
        Other = "other",
    }
}

/// The process whose environment or memory was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The process.
    pub process: ProcessKey,
    /// Its workload.
    pub workload: WorkloadId,
    /// Its cgroup.
    pub cgroup: CgroupId,
    /// Its relation to the reader.
    pub relation: TargetRelation,
}

/// Accesses of one process to one secret in one way: the first is sent, repeats are counted in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The first access.
    pub id: EventId,
    /// When the first happened.
    pub first: BootTime,
    /// When the latest happened.
    pub last: BootTime,
    /// How many there were since the first: a monotonic total, never a difference. Writing it again is harmless.
    pub total: u64,
    /// The reader's workload as the kernel knew it.
    pub workload: WorkloadId,
    /// The reader's cgroup.
    pub cgroup: CgroupId,
    /// Path of that cgroup, if it is not the one at the workload's root.
    pub cgroup_path: Option<String>,
    /// Host user id at the first; `None` if no event told it: then the program's.
    pub uid: Option<u32>,
    /// The reader; `None` for what exceeded the workload's budget and was only counted.
    pub process: Option<ProcessKey>,
    /// The program it ran: [`crate::Process::exec`].
    pub exec: Option<EventId>,
    /// The secret; for `ptrace` and `environ` the environment of the target.
    pub secret: SecretRef,
    /// The file, where there is one.
    pub inode: Option<InodeKey>,
    /// How.
    pub how: AccessKind,
    /// What was asked for.
    pub mode: AccessMode,
    /// Whose environment or memory, for `environ` and `ptrace`.
    pub target: Option<Target>,
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
    /// Among the workload's first reads of distinct secrets, which this was: 1, 2, ... `None` if not known.
    pub order: Option<u64>,
}
