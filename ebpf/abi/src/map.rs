//! Values of the tables that user space fills, and sizes of all of them.

/// Bits of [`Device::flags`].
pub mod device {
    /// Every regular file is a secret.
    pub const WHOLE: u32 = 1 << 0;
    /// With `WHOLE`: a volume of the kubelet, in which `ca.crt` and `namespace` are none.
    pub const KUBELET: u32 = 1 << 1;
    /// Single files of it stand in the file table.
    pub const FILES: u32 = 1 << 2;
    /// Folders of it stand in the file table; their trees are secrets.
    pub const TREES: u32 = 1 << 3;
    /// In slot 0 only: some device without a slot of its own is watched; ask the device table.
    pub const ELSEWHERE: u32 = 1 << 4;
}

/// A watched device.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Device {
    /// Bits of [`device`]; 0 is not watched.
    pub flags: u32,
    /// Generation of the root inode of the file system that is meant.
    pub generation: u32,
    /// Bit `ino % 64` of each root of a secret tree: most folders are none, and are told so without a lookup.
    pub trees: u64,
    /// With `WHOLE`: the object that policies know it by.
    pub object: u64,
}

/// Value of the file table: what an inode stands for.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The object that policies know it by.
    pub object: u64,
    /// Bits of [`file`].
    pub bits: u32,
    /// Always zero.
    pub reserved: u32,
}

/// Bits of [`Mark::bits`].
pub mod file {
    /// A secret.
    pub const SECRET: u32 = 1;
    /// A folder whose tree is secret.
    pub const TREE: u32 = 2;
    /// The self-test's own file.
    pub const SELF_TEST: u32 = 4;
    /// With `SECRET`: by itself, and not because of the folder that it lies in.
    pub const SINGLE: u32 = 8;
}

/// Value of the workload table.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CgroupEntry {
    /// The workload: the id of the cgroup at its root.
    pub workload: u64,
    /// Bits of [`cgroup`].
    pub flags: u64,
}

/// Bits of [`CgroupEntry::flags`].
pub mod cgroup {
    /// A container: what is made below inherits.
    pub const CONTAINER: u64 = 1 << 0;
    /// User space has classified it; it does not change any more.
    pub const FINAL: u64 = 1 << 1;
}

/// Slots of the control array.
pub mod control {
    /// Number of the program generation that may emit: links of two agents may overlap, only one speaks. 0: these tables
    /// are not whole yet, or another version has taken over; nothing is decided by them.
    pub const ACTIVE_GENERATION: u32 = 0;
    /// Address of the host's mount namespace, set by the adoption of process 1.
    pub const HOST_MOUNTS: u32 = 1;
    /// First events (accesses, connections) that a workload may send in a second.
    pub const FIRSTS_BUDGET: u32 = 2;
    /// Beginnings of programs (forks, execs) that a workload may send in a second.
    pub const BEGINNINGS_BUDGET: u32 = 3;
    /// The agent's last sign of life, boot clock, ns.
    pub const HEARTBEAT: u32 = 4;
    /// Generation of containers that no policy was decided for yet.
    pub const PENDING: u32 = 5;
    /// 1 if some workload's egress is limited: else no packet is looked at.
    pub const PACKETS: u32 = 6;
    /// Thread-group id of the agent.
    pub const AGENT: u32 = 7;
    /// Thread-group id of the guard.
    pub const GUARD: u32 = 8;
    /// Number of the program generation that follows processes and cgroups while the tables of another version are carried
    /// over. It neither decides nor tells: the other version's programs still do.
    pub const FOLLOWING: u32 = 9;
    /// [`crate::ABI_VERSION`] of the programs that these tables are of, by the first of them that ran a query.
    pub const VERSION: u32 = 10;
    /// Inode number of the folder of pins.
    pub const PINS: u32 = 11;
    /// First of the ids of the agent's cgroup and of those above it, the root left out; zeros follow.
    pub const AGENT_CGROUPS: u32 = 16;
    /// Slots.
    pub const SLOTS: u32 = 24;
}

/// Keys of the table of the agent's own kernel objects.
pub mod own {
    /// A map, by its id.
    pub const fn map(id: u32) -> u64 {
        id as u64
    }

    /// A link, by its id.
    pub const fn link(id: u32) -> u64 {
        1 << 32 | id as u64
    }

    /// A program, by its id.
    pub const fn program(id: u32) -> u64 {
        2 << 32 | id as u64
    }
}

/// What user space asks of the query program, passed as its arguments.
pub mod query {
    /// Which file does this descriptor of mine mean?
    pub const FILE: u64 = 1;
    /// Adopt the process whose /proc folder this descriptor of mine means.
    pub const ADOPT: u64 = 2;
    /// As `ADOPT`, for process 1: also remember the host's mount namespace.
    pub const ADOPT_INIT: u64 = 3;
    /// The answer is complete.
    pub const OK: u32 = 1;
    /// It could not be told.
    pub const FAILED: u32 = 2;
}

/// What the guard's program answers about an open that the kernel holds back.
pub mod guard {
    /// It may go on.
    pub const ALLOW: u32 = 0;
    /// It is refused.
    pub const DENY: u32 = 1;
    /// It is a secret, and the opener is not known: ask again with its /proc folder.
    pub const WHO: u32 = 2;
    /// As the descriptor of that folder: there is none.
    pub const NO_FOLDER: u64 = u64::MAX;
}

/// The answer of the query program.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// For `FILE` the file, for the others the executable (also in `process`).
    pub file: crate::key::InodeKey,
    /// For the adoptions: what the process table holds now.
    pub process: crate::process::ProcessState,
    /// `super_block.s_magic` of the file.
    pub magic: u64,
    /// Bits of [`crate::process::facts`] of the file.
    pub facts: u32,
    /// One of [`query`].
    pub status: u32,
}

/// Slots of the device array: minors of unnamed devices are small integers. Beyond it, slot 0 leads on.
pub const DEVICE_SLOTS: u32 = 65_536;
/// Watched devices that have no slot.
pub const DEVICES: u32 = 1_024;
/// Single secret files and tree roots.
pub const FILES: u32 = 65_536;
/// Words of the filter of single files: bit `ino % 64` of the word at [`filter_index`] is set for each. Most files are
/// none, and are told so without a lookup in the table.
pub const FILTER: u32 = 4_096;

/// Word of the filter. Inode numbers of every tmpfs begin at 1: each device begins elsewhere.
#[inline(always)]
pub const fn filter_index(device: u32, ino: u64) -> u32 {
    device.wrapping_mul(61).wrapping_add((ino >> 6) as u32) % FILTER
}
/// Cgroups.
pub const CGROUPS: u32 = 32_768;
/// Cgroups below one container that have rows of their own: what is made beyond that is known by those above it.
pub const NESTED_MAX: u32 = 1_024;
/// Kernel objects of the agent's own: maps and links.
pub const OWN: u32 = 1_024;
/// Workloads.
pub const WORKLOADS: u32 = 32_768;
/// Processes.
pub const PROCESSES: u32 = 131_072;
/// (Process, secret) pairs with a running counter.
pub const ACCESSES: u32 = 262_144;
/// (Process, destination) pairs with a running counter.
pub const CONNECTIONS: u32 = 131_072;
/// (Workload, hook, reason) with losses.
pub const LOSSES: u32 = 16_384;
/// Rows of workloads' generations.
pub const POLICIES: u32 = 32_768;
/// Rules of secrets, of all generations.
pub const SECRETS: u32 = 65_536;
/// Grants of binaries, of all generations.
pub const GRANTS: u32 = 65_536;
/// Address prefixes, of all generations.
pub const PREFIXES: u32 = 131_072;
/// Destinations, of all generations.
pub const DESTINATIONS: u32 = 65_536;
/// (Workload, secret) pairs that were read.
pub const READS: u32 = 65_536;
/// Connections that others opened to a workload, by socket.
pub const ACCEPTED: u32 = 65_536;
/// Bytes of the ring for denials, exec, fork, exit, first accesses.
pub const PRIORITY_RING: u32 = 4 << 20;
/// Bytes of the ring for connections.
pub const BULK_RING: u32 = 1 << 20;
/// Levels that the walk from a file up to a secret tree's root climbs.
pub const TREE_DEPTH: u32 = 16;

/// The first version that keeps to the rule of [`CARRIED`]: nothing is carried over from those before.
pub const CARRIED_SINCE: u32 = 2;

/// The tables that are carried over between versions, in this order, by their bytes. What makes that possible: of a
/// carried table the key never changes, and values only grow at their end, where zero means what it meant before the
/// field was there. A table that must change otherwise takes another name.
pub const CARRIED: &[&str] = &[
    "CONTROL",
    "CGROUPS",
    "WORKLOADS",
    "PROCESSES",
    "READS",
    "ACCEPTED",
    "FILES",
    "FILTER",
    "DEVICES",
    "DEVICE_SLOTS",
    "SECRETS",
    "GRANTS",
    "PREFIXES",
    "DESTINATIONS",
    "POLICIES",
    "ASSIGNED",
];

const _: () = assert!(size_of::<Device>() == 24);
const _: () = assert!(size_of::<Mark>() == 16);
const _: () = assert!(size_of::<CgroupEntry>() == 16);
const _: () = assert!(size_of::<Answer>() == 24 + size_of::<crate::process::ProcessState>() + 16);
