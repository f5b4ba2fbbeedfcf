//! Processes and the programs that they run.

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{BootTime, CgroupId, EventId, InodeKey, WorkloadId};

/// A process of this boot: its thread-group id in the initial pid namespace and when it was born.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    /// Thread-group id on the host.
    pub pid: u32,
    /// Birth of the group leader, to the nanosecond.
    pub start: BootTime,
}

words! {
    /// Where an executable comes from, decided from its inode at exec.
    BinaryOrigin: "binary origin (image, written, memfd, deleted, host, unknown)" {
        /// The container's image: a lower layer of its recorded root file system.
        Image = "image",
        /// Written or mounted after the container was made: upper layer, volume, tmpfs, a mount over a path.
        Written = "written",
        /// An anonymous in-memory file.
        Memfd = "memfd",
        /// Unlinked when it was executed.
        Deleted = "deleted",
        /// The host's own file system, executed outside containers.
        Host = "host",
        /// Could not be told (no overlay root, or the exec was not seen).
        Unknown = "unknown",
    }
}

/// The program that a process runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Executable {
    /// The path given to exec (for a script, the script); evidence, not identity.
    pub path: Option<String>,
    /// The file that was executed, by inode; absent where the kernel could not tell.
    pub inode: Option<InodeKey>,
    /// Where it comes from.
    pub origin: BinaryOrigin,
    /// For scripts: the interpreter that really runs.
    pub interpreter: Option<String>,
    /// Its file, by inode.
    pub interpreter_inode: Option<InodeKey>,
}

/// One process running one program: made by an exec, or by a fork that has not executed anything yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The event that began this program in this process (exec, fork, or adoption at the agent's start).
    /// Accesses and connections name it as `exec`.
    pub exec: EventId,
    /// The process.
    pub key: ProcessKey,
    /// Its parent, if known.
    pub parent: Option<ProcessKey>,
    /// The parent's `exec` at the time of the fork, if known: the edge of the process tree.
    pub parent_exec: Option<EventId>,
    /// The workload it belongs to.
    pub workload: WorkloadId,
    /// The cgroup it was in.
    pub cgroup: CgroupId,
    /// Host user id.
    pub uid: u32,
    /// The program.
    pub executable: Executable,
    /// It, or an ancestor, entered the container after its first process ran. `None`: adopted, so not known.
    pub exec_session: Option<bool>,
    /// It is the container runtime, before its first exec of a file of the container.
    pub runtime: bool,
    /// It ran before the agent did; taken from the kernel's tables, not seen to start.
    pub adopted: bool,
    /// When the program began (exec or fork).
    pub began: BootTime,
}
