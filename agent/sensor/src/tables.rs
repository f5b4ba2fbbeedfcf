//! The kernel's tables, typed: what user space writes into them and reads out of them.

mod counters;
mod policy;
mod watch;
mod who;

pub use counters::Counter;
pub use policy::Generation;
pub use watch::{Watch, abi_inode, model_inode, object_of, object_of_all};
pub use who::Residents;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use aya::Ebpf;
use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use cofferdam_abi::count::{Count, LossKey, WorkloadState};
use cofferdam_abi::hook::{HOOKS, REASONS};
use cofferdam_abi::key::{AccessKey, ConnectionKey, InodeKey as AbiInodeKey};
use cofferdam_abi::map::{self, CgroupEntry, Device, Mark, control};
use cofferdam_abi::policy::{
    Assignment, Destination, DestinationKey, Grant, GrantKey, Policy, PrefixKey, ReadKey, SecretKey,
    SecretRule,
};
use cofferdam_abi::process::ProcessState;
use cofferdam_model::FilesystemKey;

use crate::batch;

/// What a workload may send in a second; what exceeds it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// First accesses and connections.
    pub firsts: u64,
    /// Forks and execs.
    pub beginnings: u64,
}

/// Why a table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The object has no such table, or of another type.
    #[error("the kernel table {name} is not there: {reason}")]
    Missing {
        /// Table.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// The kernel refused an operation.
    #[error("cannot {what} the kernel table {name}: {reason}")]
    Refused {
        /// What was being done.
        what: &'static str,
        /// Table.
        name: &'static str,
        /// Why; `E2BIG` means that the table is full.
        reason: String,
    },
}

/// Key size, value size and number of entries of each pinned table.
const SHAPES: &[(&str, (u32, u32, u32))] = &[
    ("DEVICE_SLOTS", (4, size_of::<Device>() as u32, map::DEVICE_SLOTS)),
    ("DEVICES", (4, size_of::<Device>() as u32, map::DEVICES)),
    ("FILES", (size_of::<AbiInodeKey>() as u32, size_of::<Mark>() as u32, map::FILES)),
    ("FILTER", (4, 8, map::FILTER)),
    ("CGROUPS", (8, size_of::<CgroupEntry>() as u32, map::CGROUPS)),
    ("WORKLOADS", (8, size_of::<WorkloadState>() as u32, map::WORKLOADS)),
    ("ASSIGNED", (8, size_of::<Assignment>() as u32, map::WORKLOADS)),
    ("POLICIES", (4, size_of::<Policy>() as u32, map::POLICIES)),
    ("SECRETS", (size_of::<SecretKey>() as u32, size_of::<SecretRule>() as u32, map::SECRETS)),
    ("GRANTS", (size_of::<GrantKey>() as u32, size_of::<Grant>() as u32, map::GRANTS)),
    ("PREFIXES", (4 + size_of::<PrefixKey>() as u32, 4, map::PREFIXES)),
    (
        "DESTINATIONS",
        (size_of::<DestinationKey>() as u32, size_of::<Destination>() as u32, map::DESTINATIONS),
    ),
    ("READS", (size_of::<ReadKey>() as u32, 1, map::READS)),
    ("PROCESSES", (4, size_of::<ProcessState>() as u32, map::PROCESSES)),
    ("ACCESSES", (size_of::<AccessKey>() as u32, size_of::<Count>() as u32, map::ACCESSES)),
    ("CONNECTIONS", (size_of::<ConnectionKey>() as u32, size_of::<Count>() as u32, map::CONNECTIONS)),
    ("ACCEPTED", (8, 1, map::ACCEPTED)),
    ("LOSSES", (size_of::<LossKey>() as u32, 8, map::LOSSES)),
    ("TOLD", (size_of::<LossKey>() as u32, 8, map::LOSSES)),
    ("COUNTERS", (4, 8, HOOKS * REASONS)),
    ("SENT", (4, 8, HOOKS)),
    ("PRIORITY", (0, 0, map::PRIORITY_RING)),
    ("BULK", (0, 0, map::BULK_RING)),
    ("CONTROL", (4, 8, map::control::SLOTS)),
    ("OWN", (8, 1, map::OWN)),
];

/// The shape that a pinned table must have to be reused.
pub(crate) fn expected_shape(name: &str) -> Option<(u32, u32, u32)> {
    SHAPES.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape)
}

/// Fill level of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Table.
    pub name: &'static str,
    /// Entries.
    pub used: u64,
    /// Room.
    pub capacity: u64,
}

/// The tables.
pub struct Tables {
    device_slots: Array<MapData, Device>,
    devices: HashMap<MapData, u32, Device>,
    files: HashMap<MapData, AbiInodeKey, Mark>,
    filter: Array<MapData, u64>,
    /// Bits of the roots of secret trees, by file system: [`Device::trees`].
    trees: BTreeMap<FilesystemKey, u64>,
    cgroups: HashMap<MapData, u64, CgroupEntry>,
    workloads: HashMap<MapData, u64, WorkloadState>,
    assigned: HashMap<MapData, u64, Assignment>,
    policies: HashMap<MapData, u32, Policy>,
    secrets: HashMap<MapData, SecretKey, SecretRule>,
    grants: HashMap<MapData, GrantKey, Grant>,
    prefixes: LpmTrie<MapData, PrefixKey, u32>,
    destinations: HashMap<MapData, DestinationKey, Destination>,
    reads: HashMap<MapData, ReadKey, u8>,
    accepted: HashMap<MapData, u64, u8>,
    processes: HashMap<MapData, u32, ProcessState>,
    accesses: HashMap<MapData, AccessKey, Count>,
    accesses_fd: OwnedFd,
    connections: HashMap<MapData, ConnectionKey, Count>,
    connections_fd: OwnedFd,
    losses: HashMap<MapData, LossKey, u64>,
    told: HashMap<MapData, LossKey, u64>,
    counters: PerCpuArray<MapData, u64>,
    sent: PerCpuArray<MapData, u64>,
    control: Array<MapData, u64>,
    own: HashMap<MapData, u64, u8>,
    /// Watched devices that have no slot; slot 0 leads to them.
    elsewhere: HashSet<u32>,
    /// Descriptors of all tables and rings, to ask for their memory.
    all: Vec<OwnedFd>,
}

macro_rules! take {
    ($ebpf:expr, $name:literal) => {
        take_map($ebpf, $name)?
            .try_into()
            .map_err(|error: MapError| TableError::Missing { name: $name, reason: error.to_string() })?
    };
}

fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, TableError> {
    ebpf.take_map(name).ok_or_else(|| TableError::Missing { name, reason: "the object has none".to_owned() })
}

fn refused(what: &'static str, name: &'static str) -> impl Fn(MapError) -> TableError {
    move |error| TableError::Refused { what, name, reason: reason(&error) }
}

fn reason(error: &MapError) -> String {
    match error {
        MapError::SyscallError(error) => error.io_error.to_string(),
        _ => error.to_string(),
    }
}

impl Tables {
    /// Takes the tables out of a loaded object.
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, TableError> {
        Ok(Self {
            all: ebpf.maps().filter_map(|(_, map)| descriptor(map)).collect(),
            accesses_fd: descriptor_of(ebpf, "ACCESSES")?,
            connections_fd: descriptor_of(ebpf, "CONNECTIONS")?,
            device_slots: take!(ebpf, "DEVICE_SLOTS"),
            devices: take!(ebpf, "DEVICES"),
            files: take!(ebpf, "FILES"),
            filter: take!(ebpf, "FILTER"),
            trees: BTreeMap::new(),
            cgroups: take!(ebpf, "CGROUPS"),
            workloads: take!(ebpf, "WORKLOADS"),
            assigned: take!(ebpf, "ASSIGNED"),
            policies: take!(ebpf, "POLICIES"),
            secrets: take!(ebpf, "SECRETS"),
            grants: take!(ebpf, "GRANTS"),
            prefixes: take!(ebpf, "PREFIXES"),
            destinations: take!(ebpf, "DESTINATIONS"),
            reads: take!(ebpf, "READS"),
            accepted: take!(ebpf, "ACCEPTED"),
            processes: take!(ebpf, "PROCESSES"),
            accesses: take!(ebpf, "ACCESSES"),
            connections: take!(ebpf, "CONNECTIONS"),
            losses: take!(ebpf, "LOSSES"),
            told: take!(ebpf, "TOLD"),
            counters: take!(ebpf, "COUNTERS"),
            sent: take!(ebpf, "SENT"),
            control: take!(ebpf, "CONTROL"),
            own: take!(ebpf, "OWN"),
            elsewhere: HashSet::new(),
        })
    }

    /// Sets how much a workload may send in a second.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_budgets(&mut self, budgets: Budgets) -> Result<(), TableError> {
        let Budgets { firsts, beginnings } = budgets;
        for (slot, per_second) in [(control::FIRSTS_BUDGET, firsts), (control::BEGINNINGS_BUDGET, beginnings)]
        {
            self.control.set(slot, per_second, 0).map_err(refused("write", "CONTROL"))?;
        }
        Ok(())
    }

    /// Fill levels of the tables that grow.
    pub fn levels(&self) -> Vec<Level> {
        let level =
            |name, used: usize, capacity: u32| Level { name, used: used as u64, capacity: capacity.into() };
        vec![
            level("files", self.files.keys().count(), map::FILES),
            level("policies", self.policies.keys().count(), map::POLICIES),
            level("policy secrets", self.secrets.keys().count(), map::SECRETS),
            level("policy grants", self.grants.keys().count(), map::GRANTS),
            level("policy destinations", self.destinations.keys().count(), map::DESTINATIONS),
            level("cgroups", self.cgroups.keys().count(), map::CGROUPS),
            level("processes", self.processes.keys().count(), map::PROCESSES),
            level("accesses", count_entries::<AccessKey, Count>(self.accesses_fd.as_fd()), map::ACCESSES),
            level(
                "connections",
                count_entries::<ConnectionKey, Count>(self.connections_fd.as_fd()),
                map::CONNECTIONS,
            ),
            level("losses", self.losses.keys().count(), map::LOSSES),
            level("own objects", self.own.keys().count(), map::OWN),
        ]
    }

    /// Kernel memory of all tables and rings now, bytes: tables without preallocation grow with their entries.
    pub fn bytes(&self) -> u64 {
        self.all.iter().filter_map(|table| memory_of(table.as_fd())).sum()
    }
}

/// A descriptor of our own for a table, for what aya does not do.
fn descriptor(map: &Map) -> Option<OwnedFd> {
    let data = match map {
        Map::Array(data) | Map::HashMap(data) | Map::LruHashMap(data) => data,
        Map::PerCpuArray(data) | Map::RingBuf(data) | Map::LpmTrie(data) => data,
        _ => return None,
    };
    data.fd().as_fd().try_clone_to_owned().ok()
}

fn descriptor_of(ebpf: &Ebpf, name: &'static str) -> Result<OwnedFd, TableError> {
    let missing = || TableError::Missing { name, reason: "the object has none of this type".to_owned() };
    ebpf.map(name).and_then(descriptor).ok_or_else(missing)
}

fn count_entries<K: aya::Pod, V: aya::Pod>(fd: BorrowedFd<'_>) -> usize {
    let mut entries = 0;
    match batch::for_each::<K, V>(fd, |_, _| entries += 1) {
        Ok(()) => entries,
        Err(_) => 0,
    }
}

/// `memlock` of a table, from /proc/self/fdinfo.
fn memory_of(table: BorrowedFd<'_>) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", table.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
}
