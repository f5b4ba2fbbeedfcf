//! Records in the rings.

use crate::key::{ConnectionKey, InodeKey};
use crate::process::ProcessState;

/// Kinds of records: [`Header::kind`].
pub mod kind {
    /// [`super::ExecEvent`].
    pub const EXEC: u16 = 1;
    /// [`super::ForkEvent`].
    pub const FORK: u16 = 2;
    /// [`super::ExitEvent`].
    pub const EXIT: u16 = 3;
    /// [`super::AccessEvent`].
    pub const ACCESS: u16 = 4;
    /// [`super::ConnectionEvent`].
    pub const CONNECTION: u16 = 5;
    /// [`super::CgroupEvent`]: made.
    pub const CGROUP_MADE: u16 = 6;
    /// [`super::CgroupEvent`]: removed.
    pub const CGROUP_REMOVED: u16 = 7;
    /// [`super::EntryEvent`]: a process entered a workload from outside.
    pub const ENTERED: u16 = 8;
    /// [`super::FilesystemEvent`]: a watched device number now belongs to another file system.
    pub const STALE_FILESYSTEM: u16 = 9;
    /// [`super::AttemptEvent`]: something that is neither an access nor a connection was refused, or would be.
    pub const ATTEMPT: u16 = 10;
}

/// Ways of access: [`crate::key::AccessKey::how`].
pub mod how {
    /// Opened.
    pub const OPEN: u16 = 1;
    /// Descriptor received over a unix socket.
    pub const RECEIVE: u16 = 2;
    /// Mapped.
    pub const MMAP: u16 = 3;
    /// `/proc/<pid>/environ` opened.
    pub const ENVIRON: u16 = 4;
    /// Another process's memory asked for.
    pub const PTRACE: u16 = 5;
    /// Renamed or linked, itself or a folder that it is in.
    pub const MOVE: u16 = 6;
}

/// Bits of access modes.
pub mod mode {
    /// Reading.
    pub const READ: u8 = 1;
    /// Writing.
    pub const WRITE: u8 = 2;
    /// `PTRACE_MODE_ATTACH`.
    pub const ATTACH: u8 = 4;
}

/// Verdicts.
pub mod verdict {
    /// Went through.
    pub const ALLOWED: u8 = 0;
    /// Refused.
    pub const DENIED: u8 = 1;
    /// Would have been refused.
    pub const WOULD_DENY: u8 = 2;
    /// Went through by an exception.
    pub const EXCEPTED: u8 = 3;
}

/// Bytes kept of an executed path, the terminating NUL included; longer ones are cut.
pub const PATH_LEN: usize = 256;
/// Bytes kept of the names from a secret's file up to the root of its file system.
pub const NAMES_LEN: usize = 256;

/// The start of every record.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Boot clock, ns.
    pub time: u64,
    /// CPU. With `time` it is the event's id.
    pub cpu: u32,
    /// One of [`kind`].
    pub kind: u16,
    /// The hook: [`crate::hook::Hook`] as a number.
    pub hook: u16,
}

/// A process began a program.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ExecEvent {
    /// Header.
    pub header: Header,
    /// The process, with its new program.
    pub process: ProcessState,
    /// The `exec` that it ran before.
    pub previous: u64,
    /// The path as the kernel resolved it for scripts and binaries alike (`linux_binprm.filename`).
    pub path: [u8; PATH_LEN],
    /// For scripts the interpreter's path (`linux_binprm.interp`); else equal to `path`.
    pub interpreter: [u8; PATH_LEN],
    /// Names from the file that runs up to the root of its file system, each ended by NUL: what `path` hides when it
    /// is `/proc/self/exe`, a descriptor or relative.
    pub names: [u8; NAMES_LEN],
    /// Bytes used of `names`.
    pub names_len: u64,
}

/// A process was forked.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ForkEvent {
    /// Header.
    pub header: Header,
    /// The child.
    pub process: ProcessState,
    /// The parent's `exec`.
    pub parent_exec: u64,
    /// The parent's start, boot clock, ns; 0 not known.
    pub parent_start: u64,
}

/// The last thread of a process ended.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ExitEvent {
    /// Header.
    pub header: Header,
    /// Start of the group leader, boot clock, ns.
    pub start: u64,
    /// The program it last ran.
    pub exec: u64,
    /// Workload.
    pub workload: u64,
    /// Thread-group id.
    pub tgid: u32,
    /// Always zero.
    pub reserved: u32,
}

/// The first access of a process to a secret in one way.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AccessEvent {
    /// Header.
    pub header: Header,
    /// The reader.
    pub process: ProcessState,
    /// The file; for environments and ptrace the object of [`crate::key::AccessKey`].
    pub object: InodeKey,
    /// For environments and ptrace the target's workload and cgroup.
    pub target_workload: u64,
    /// See `target_workload`.
    pub target_cgroup: u64,
    /// One of [`how`].
    pub how: u16,
    /// Bits of [`mode`].
    pub mode: u8,
    /// One of [`verdict`].
    pub verdict: u8,
    /// Bytes used of `names`.
    pub names_len: u16,
    /// 1 if no counter could be made for it (table full): every repeat is sent as its own event.
    pub uncounted: u16,
    /// Policy generation that decided; 0: none.
    pub generation: u32,
    /// Number of the rule within it; 0: no rule spoke.
    pub rule: u32,
    /// File names from the file up to the root of its file system, each ended by NUL.
    pub names: [u8; NAMES_LEN],
}

/// The first connection of a process to a destination.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ConnectionEvent {
    /// Header.
    pub header: Header,
    /// The process.
    pub process: ProcessState,
    /// The destination; verdict included.
    pub connection: ConnectionKey,
    /// Policy generation that decided; 0: none.
    pub generation: u32,
    /// Number of the rule within it; 0: no rule spoke.
    pub rule: u32,
    /// 1 if no counter could be made for it.
    pub uncounted: u64,
}

/// What was attempted: [`AttemptEvent::what`].
pub mod attempt {
    /// To execute a file.
    pub const EXECUTE: u16 = 1;
    /// To map code that did not come with the image, by a program that may read secrets.
    pub const MAP_CODE: u16 = 2;
    /// To make a socket of a family or type that no destination can be decided for.
    pub const SOCKET: u16 = 3;
    /// To send a signal to the agent.
    pub const SIGNAL: u16 = 4;
    /// To reach into the agent's memory.
    pub const PTRACE: u16 = 5;
    /// To touch the agent's files or pins.
    pub const AGENT_FILE: u16 = 6;
    /// To load programs into the kernel.
    pub const BPF: u16 = 7;
    /// To unmount, or to change the mounts of the host.
    pub const MOUNT: u16 = 8;
    /// To connect to a unix socket outside the workload.
    pub const UNIX: u16 = 9;
    /// To limit or slow the agent; [`super::limited`] says how.
    pub const LIMIT: u16 = 10;
}

/// How the agent was to be limited: the lower half of [`AttemptEvent::detail`] with [`attempt::LIMIT`].
pub mod limited {
    /// By a resource limit; the upper half is its number.
    pub const RESOURCE: u64 = 1;
    /// By its scheduling policy, or the processors that it may run on.
    pub const SCHEDULING: u64 = 2;
    /// By its nice value.
    pub const NICE: u64 = 3;
    /// By the priority of its input and output.
    pub const IO_PRIORITY: u64 = 4;
}

/// Something that is neither an access nor a connection was refused, or would be.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AttemptEvent {
    /// Header.
    pub header: Header,
    /// Who.
    pub process: ProcessState,
    /// The file, where there is one.
    pub file: InodeKey,
    /// Bits of [`crate::process::facts`] about it.
    pub facts: u32,
    /// One of [`attempt`].
    pub what: u16,
    /// One of [`verdict`].
    pub verdict: u8,
    /// Always zero.
    pub reserved: u8,
    /// Policy generation that decided; 0: what every workload is refused.
    pub generation: u32,
    /// Number of the rule within it.
    pub rule: u32,
    /// Further number: a signal, a command, a socket family.
    pub detail: u64,
    /// The path that was named, where one was.
    pub path: [u8; PATH_LEN],
}

/// A cgroup was made or removed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CgroupEvent {
    /// Header.
    pub header: Header,
    /// Its id.
    pub cgroup: u64,
    /// Its parent's id.
    pub parent: u64,
    /// The workload that the kernel gave it.
    pub workload: u64,
    /// Its path below the v2 root.
    pub path: [u8; PATH_LEN],
}

/// A process entered a workload from outside.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct EntryEvent {
    /// Header.
    pub header: Header,
    /// The process, as it is after the entry.
    pub process: ProcessState,
}

/// A watched device number belongs to another file system now; its entry was retired.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FilesystemEvent {
    /// Header.
    pub header: Header,
    /// What was expected.
    pub expected: crate::key::FilesystemKey,
    /// What is there now.
    pub found: crate::key::FilesystemKey,
}

const PROCESS: usize = size_of::<ProcessState>();
const _: () = assert!(size_of::<Header>() == 16);
const _: () = assert!(size_of::<ExecEvent>() == 16 + PROCESS + 8 + 512 + 256 + 8);
const _: () = assert!(size_of::<ForkEvent>() == 16 + PROCESS + 16);
const _: () = assert!(size_of::<ExitEvent>() == 48);
const _: () = assert!(size_of::<AccessEvent>() == 16 + PROCESS + 24 + 16 + 16 + 256);
const _: () = assert!(size_of::<ConnectionEvent>() == 16 + PROCESS + 56 + 16);
const _: () = assert!(size_of::<AttemptEvent>() == 16 + PROCESS + 24 + 24 + 256);
const _: () = assert!(size_of::<CgroupEvent>() == 16 + 24 + 256);
const _: () = assert!(size_of::<EntryEvent>() == 16 + PROCESS);
const _: () = assert!(size_of::<FilesystemEvent>() == 32);
