//! Keys of files, processes and destinations.

/// A mounted file system: kernel device number (`major << 20 | minor`) and the root inode's `i_generation`,
/// because device numbers and inode numbers of tmpfs are reused at once.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FilesystemKey {
    /// `super_block.s_dev`.
    pub device: u32,
    /// `super_block.s_root->d_inode->i_generation`.
    pub generation: u32,
}

/// A file.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct InodeKey {
    /// `inode.i_ino`.
    pub ino: u64,
    /// Its superblock.
    pub filesystem: FilesystemKey,
    /// `inode.i_generation`.
    pub generation: u32,
    /// Always zero.
    pub reserved: u32,
}

/// What one program of one process did to one object in one way: repeats of it are counted, not sent.
///
/// The object is a file or, for environments and ptrace, a process: `ino` holds its start time, `generation` its pid.
/// What exceeded the budget is counted per file without the process, and beyond
/// [`crate::count::AGGREGATES_MAX`] files, and for processes, without the object: it is zero.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AccessKey {
    /// Start of the reader's group leader, boot clock, ns; 0 with `tgid` and `exec` 0 for what exceeded the budget.
    pub start: u64,
    /// The program that it runs: [`crate::process::ProcessState::exec`].
    pub exec: u64,
    /// The object.
    pub object: InodeKey,
    /// The reader's workload.
    pub workload: u64,
    /// The reader's thread-group id.
    pub tgid: u32,
    /// How: one of [`crate::event::how`].
    pub how: u16,
    /// Mode: bits of [`crate::event::mode`].
    pub mode: u8,
    /// Verdict: one of [`crate::event::verdict`].
    pub verdict: u8,
}

/// One program of one process, and one destination.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ConnectionKey {
    /// Start of the group leader, boot clock, ns; 0 with `tgid` and `exec` 0 for what exceeded the budget.
    pub start: u64,
    /// The program that it runs: [`crate::process::ProcessState::exec`].
    pub exec: u64,
    /// The workload.
    pub workload: u64,
    /// Address in network order; IPv4 in the first four bytes.
    pub address: [u8; 16],
    /// Thread-group id.
    pub tgid: u32,
    /// Port in host order.
    pub port: u16,
    /// 4 or 6.
    pub family: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// 1 for an unconnected send.
    pub unconnected: u8,
    /// One of [`crate::event::verdict`].
    pub verdict: u8,
    /// Always zero.
    pub reserved: [u8; 6],
}

const _: () = assert!(size_of::<FilesystemKey>() == 8);
const _: () = assert!(size_of::<InodeKey>() == 24);
const _: () = assert!(size_of::<AccessKey>() == 56);
const _: () = assert!(size_of::<ConnectionKey>() == 56);
