//! What the kernel side remembers of a process.

use crate::key::InodeKey;

/// Bits of [`ProcessState::flags`].
pub mod flags {
    /// Entered its cgroup from outside and has not executed a file of the container yet.
    pub const RUNTIME: u32 = 1 << 0;
    /// It or an ancestor entered after the workload's first process had started.
    pub const EXEC_SESSION: u32 = 1 << 1;
    /// Was there before the agent.
    pub const ADOPTED: u32 = 1 << 2;
    /// Has not executed anything since it was forked: the executable is its parent's.
    pub const FORKED: u32 = 1 << 3;
    /// It or an ancestor, or the program before, touched a secret.
    pub const TAINTED: u32 = 1 << 4;
    /// Moved itself, from within its workload, to another cgroup.
    pub const MIGRATED: u32 = 1 << 5;
    /// It or an ancestor was in the workload before the agent: how it came in was not seen.
    pub const UNSEEN_ENTRY: u32 = 1 << 6;
    /// Its program's beginning exceeded the workload's budget and was not sent; neither is its end.
    pub const UNTOLD: u32 = 1 << 7;
    /// Its program has mapped code that did not come with the image.
    pub const FOREIGN_CODE: u32 = 1 << 8;
    /// It entered its workload before the tracepoint could tell that.
    pub const ENTRY_UNTOLD: u32 = 1 << 9;
    /// A process of a container has traced it, or has reached into its memory.
    pub const TAKEN_OVER: u32 = 1 << 10;

    /// Whether a process is the runtime that sets a container or a session up, and does what the runtime told it.
    #[inline(always)]
    pub const fn is_runtime(bits: u32) -> bool {
        bits & (RUNTIME | TAKEN_OVER) == RUNTIME
    }
}

/// Facts about an executable's file, from which user space tells its origin.
pub mod facts {
    /// On overlayfs.
    pub const OVERLAY: u32 = 1 << 0;
    /// On overlayfs, and it has an upper inode: written after the container was made.
    pub const OVERLAY_UPPER: u32 = 1 << 1;
    /// On an internal mount of tmpfs or hugetlbfs: a memfd.
    pub const MEMFD: u32 = 1 << 2;
    /// No link is left.
    pub const UNLINKED: u32 = 1 << 3;
    /// Lies on the superblock of the process's own root.
    pub const ON_ROOT: u32 = 1 << 4;
    /// The process was in the host's mount namespace.
    pub const HOST_MOUNTS: u32 = 1 << 5;
    /// Lies on the superblock recorded as the workload's root when its first process started.
    pub const ON_WORKLOAD_ROOT: u32 = 1 << 6;
    /// The binary is an interpreter: what was executed is the script in `script`.
    pub const SCRIPT: u32 = 1 << 7;
    /// The recorded root of the workload is known, so that the absence of `ON_WORKLOAD_ROOT` means something.
    pub const ROOT_KNOWN: u32 = 1 << 8;
}

/// One process, by thread-group id, from its fork (or adoption) to its exit.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessState {
    /// Start of the group leader, boot clock, ns.
    pub start: u64,
    /// Event id (`boot ns << 8 | cpu`) of the exec, fork or adoption that began its current program.
    pub exec: u64,
    /// Workload: the id of the cgroup at its root; 0 unknown. A process that migrates itself keeps it.
    pub workload: u64,
    /// Cgroup v2 that it is really in.
    pub cgroup: u64,
    /// The executed file (of a script: the script where the kernel saw it, else zero).
    pub binary: InodeKey,
    /// The interpreter's file if [`facts::SCRIPT`], else zero.
    pub interpreter: InodeKey,
    /// Thread-group id.
    pub tgid: u32,
    /// Parent's thread-group id.
    pub ppid: u32,
    /// Real user id in the initial user namespace.
    pub uid: u32,
    /// Bits of [`flags`].
    pub flags: u32,
    /// Bits of [`facts`] about `binary`.
    pub facts: u32,
    /// Always zero.
    pub reserved: u32,
    /// Programs that it and its ancestors have begun since they were known.
    #[cfg(feature = "next")]
    pub programs: u64,
}

const _: () = assert!(size_of::<ProcessState>() == if cfg!(feature = "next") { 112 } else { 104 });
