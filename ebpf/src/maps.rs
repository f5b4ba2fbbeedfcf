//! The tables. Pinned by name, so that they outlive the agent; their layout is the ABI.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf};
use cofferdam_abi::count::{Count, LossKey, WorkloadState};
use cofferdam_abi::hook::{HOOKS, REASONS};
use cofferdam_abi::key::{AccessKey, ConnectionKey, InodeKey};
use cofferdam_abi::map::{self, Answer, CgroupEntry, Device, Mark};
use cofferdam_abi::policy::{
    Assignment, Destination, DestinationKey, Grant, GrantKey, Policy, PrefixKey, ReadKey, SecretKey,
    SecretRule,
};
use cofferdam_abi::process::ProcessState;

/// Watched devices by the minor of unnamed devices: the one lookup that every open pays.
#[map]
pub static DEVICE_SLOTS: Array<Device> = Array::pinned(map::DEVICE_SLOTS, 0);

/// Watched devices that have no slot: block devices, and minors beyond the array.
#[map]
pub static DEVICES: HashMap<u32, Device> = HashMap::pinned(map::DEVICES, BPF_F_NO_PREALLOC);

/// Single secret files and roots of secret trees.
#[map]
pub static FILES: HashMap<InodeKey, Mark> = HashMap::pinned(map::FILES, BPF_F_NO_PREALLOC);

/// Which inode numbers a single secret file may have: see [`map::FILTER`].
#[map]
pub static FILTER: Array<u64> = Array::pinned(map::FILTER, 0);

/// Cgroup id to workload.
#[map]
pub static CGROUPS: HashMap<u64, CgroupEntry> = HashMap::pinned(map::CGROUPS, BPF_F_NO_PREALLOC);

/// Workload to its budget and its recorded root.
#[map]
pub static WORKLOADS: HashMap<u64, WorkloadState> = HashMap::pinned(map::WORKLOADS, BPF_F_NO_PREALLOC);

/// Workload to the policy generation that decides for it: the one entry that a change of policy flips.
#[map]
pub static ASSIGNED: HashMap<u64, Assignment> = HashMap::pinned(map::WORKLOADS, BPF_F_NO_PREALLOC);

/// Generations.
#[map]
pub static POLICIES: HashMap<u32, Policy> = HashMap::pinned(map::POLICIES, BPF_F_NO_PREALLOC);

/// Rules of secrets.
#[map]
pub static SECRETS: HashMap<SecretKey, SecretRule> = HashMap::pinned(map::SECRETS, BPF_F_NO_PREALLOC);

/// What single binaries may.
#[map]
pub static GRANTS: HashMap<GrantKey, Grant> = HashMap::pinned(map::GRANTS, BPF_F_NO_PREALLOC);

/// Address prefixes to classes.
#[map]
pub static PREFIXES: LpmTrie<PrefixKey, u32> = LpmTrie::pinned(map::PREFIXES, 0);

/// What is said of destinations.
#[map]
pub static DESTINATIONS: HashMap<DestinationKey, Destination> =
    HashMap::pinned(map::DESTINATIONS, BPF_F_NO_PREALLOC);

/// Which workload has read which secret, policy or not.
#[map]
pub static READS: HashMap<ReadKey, u8> = HashMap::pinned(map::READS, BPF_F_NO_PREALLOC);

/// Thread-group id to process.
#[map]
pub static PROCESSES: HashMap<u32, ProcessState> = HashMap::pinned(map::PROCESSES, BPF_F_NO_PREALLOC);

/// The script that an exec is about to run, by its `linux_binprm`. Evicts: evidence only.
#[map]
pub static SCRIPTS: LruHashMap<u64, Script> = LruHashMap::pinned(1024, 0);

/// The agent's own maps and links, by [`cofferdam_abi::map::own`].
#[map]
pub static OWN: HashMap<u64, u8> = HashMap::pinned(map::OWN, BPF_F_NO_PREALLOC);

/// Running counters of accesses.
#[map]
pub static ACCESSES: HashMap<AccessKey, Count> = HashMap::pinned(map::ACCESSES, BPF_F_NO_PREALLOC);

/// Running counters of connections.
#[map]
pub static CONNECTIONS: HashMap<ConnectionKey, Count> = HashMap::pinned(map::CONNECTIONS, BPF_F_NO_PREALLOC);

/// Connections that others opened, by their socket's cookie.
#[map]
pub static ACCEPTED: HashMap<u64, u8> = HashMap::pinned(map::ACCEPTED, BPF_F_NO_PREALLOC);

/// Losses by workload, hook and reason.
#[map]
pub static LOSSES: HashMap<LossKey, u64> = HashMap::pinned(map::LOSSES, BPF_F_NO_PREALLOC);

/// What of the losses user space has told already. No program touches it: it only outlives the agent here.
#[map]
pub static TOLD: HashMap<LossKey, u64> = HashMap::pinned(map::LOSSES, BPF_F_NO_PREALLOC);

/// Events that could not be sent, tables that were full, ... by hook and reason: `hook * REASONS + reason`.
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(HOOKS * REASONS, 0);

/// Events sent, by hook.
#[map]
pub static SENT: PerCpuArray<u64> = PerCpuArray::pinned(HOOKS, 0);

/// Denials, exec, fork, exit, cgroups, first accesses.
#[map]
pub static PRIORITY: RingBuf = RingBuf::pinned(map::PRIORITY_RING, 0);

/// Connections.
#[map]
pub static BULK: RingBuf = RingBuf::pinned(map::BULK_RING, 0);

/// Slots of [`map::control`].
#[map]
pub static CONTROL: Array<u64> = Array::pinned(map::control::SLOTS, 0);

/// The answer of the query program; not pinned, each agent has its own.
#[map]
pub static ANSWER: Array<Answer> = Array::with_max_entries(1, 0);

/// What the exec check saw first of an exec.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Script {
    /// The file that was named.
    pub file: InodeKey,
    /// Bits of [`cofferdam_abi::process::facts`].
    pub facts: u32,
    /// Who resolves it: one of [`resolved`].
    pub by: u32,
}

/// Who puts another program in the place of the file that was named.
pub mod resolved {
    /// The kernel, which reads that from the script itself.
    pub const BY_SCRIPT: u32 = 0;
    /// The file that was asked for last is no script.
    pub const NO_SCRIPT: u32 = 1;
    /// A binfmt_misc handler, which whoever has a user namespace may register: the file says nothing of what runs.
    pub const BY_HANDLER: u32 = 2;
}
