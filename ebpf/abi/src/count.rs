//! Monotonic counters: user space reads differences, the kernel never resets them.

/// Value of the access and connection tables.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many since the entry was made.
    pub total: u64,
    /// Boot clock of the latest, ns.
    pub last: u64,
    /// Boot clock of the first, ns; with `cpu` the id of the event that reported it.
    pub first: u64,
    /// Cgroup of the process at the first.
    pub cgroup: u64,
    /// CPU of the first.
    pub cpu: u32,
    /// 1 if the event that should have reported it found the ring full.
    pub unsent: u32,
    /// Policy generation that decided the first; 0: none.
    pub generation: u32,
    /// Number of the rule within it; 0: no rule spoke.
    pub rule: u32,
}

/// What a workload's row in the kernel holds.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkloadState {
    /// The current window of the budgets: boot clock in units of 2^30 ns, which is nearly a second.
    pub window: u64,
    /// First events sent in this window.
    pub firsts: u64,
    /// Beginnings of programs (forks and execs) sent in this window.
    pub beginnings: u64,
    /// Counters that were made for what exceeded the budget: see [`AGGREGATES_MAX`].
    pub aggregates: u64,
    /// Superblock of the root file system that its first process started on: device.
    pub root_device: u32,
    /// The same: generation of its root inode.
    pub root_generation: u32,
    /// 1 once a process executed a file of the container: who enters later is an exec session.
    pub started: u32,
    /// Cgroups below it that were made: see [`crate::map::NESTED_MAX`].
    pub nested: u32,
}

/// Counters of one workload for what exceeds its budget, each for one object; further objects share one.
pub const AGGREGATES_MAX: u64 = 64;

/// Key of the loss table.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LossKey {
    /// Workload; 0 unknown.
    pub workload: u64,
    /// The hook: [`crate::hook::Hook`] as a number.
    pub hook: u32,
    /// One of [`crate::hook::Reason`] as a number.
    pub reason: u32,
}

const _: () = assert!(size_of::<Count>() == 48);
const _: () = assert!(size_of::<WorkloadState>() == 48);
const _: () = assert!(size_of::<LossKey>() == 16);
