//! The kernel's tables, typed: what user space writes into them and reads out of them.

use std::collections::{HashMap as StdHashMap, HashSet};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use cofferdam_abi::count::{Count, LossKey, WorkloadState};
use cofferdam_abi::hook::{HOOKS, Hook, REASONS, Reason};
use cofferdam_abi::key::{AccessKey, ConnectionKey, InodeKey as AbiInodeKey};
use cofferdam_abi::map::{self, CgroupEntry, Device, control, device, file};
use cofferdam_abi::process::ProcessState;
use cofferdam_model::{CgroupId, FilesystemKey, InodeKey, WorkloadId};

use crate::batch;

/// What a workload may send in a second; what exceeds it is counted.
#[derive(Debug, Clone, Copy)]
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
    ("DEVICE_SLOTS", (4, 8, map::DEVICE_SLOTS)),
    ("DEVICES", (4, 8, map::DEVICES)),
    ("FILES", (size_of::<AbiInodeKey>() as u32, 4, map::FILES)),
    ("CGROUPS", (8, size_of::<CgroupEntry>() as u32, map::CGROUPS)),
    ("WORKLOADS", (8, size_of::<WorkloadState>() as u32, map::WORKLOADS)),
    ("PROCESSES", (4, size_of::<ProcessState>() as u32, map::PROCESSES)),
    ("ACCESSES", (size_of::<AccessKey>() as u32, size_of::<Count>() as u32, map::ACCESSES)),
    ("CONNECTIONS", (size_of::<ConnectionKey>() as u32, size_of::<Count>() as u32, map::CONNECTIONS)),
    ("LOSSES", (size_of::<LossKey>() as u32, 8, map::LOSSES)),
    ("TOLD", (size_of::<LossKey>() as u32, 8, map::LOSSES)),
    ("COUNTERS", (4, 8, HOOKS * REASONS)),
    ("SENT", (4, 8, HOOKS)),
    ("PRIORITY", (0, 0, map::PRIORITY_RING)),
    ("BULK", (0, 0, map::BULK_RING)),
    ("CONTROL", (4, 8, map::control::SLOTS)),
];

/// The shape that a pinned table must have to be reused.
pub(crate) fn expected_shape(name: &str) -> Option<(u32, u32, u32)> {
    SHAPES.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape)
}

/// What a watched file system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    /// Every regular file is a secret.
    pub whole: bool,
    /// With `whole`: a volume of the kubelet, in which `ca.crt` and `namespace` are none.
    pub kubelet: bool,
    /// Single files are secrets.
    pub files: bool,
    /// Trees are secrets.
    pub trees: bool,
}

/// A counter that is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// The hook.
    pub hook: Hook,
    /// What is counted.
    pub reason: Reason,
    /// How many since the tables were made.
    pub total: u64,
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
    files: HashMap<MapData, AbiInodeKey, u32>,
    cgroups: HashMap<MapData, u64, CgroupEntry>,
    workloads: HashMap<MapData, u64, WorkloadState>,
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
    /// How many watched devices have no slot; slot 0 leads to them.
    elsewhere: StdHashMap<u32, ()>,
    map_bytes: u64,
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
        let map_bytes = memory_of(ebpf);
        let (accesses_fd, connections_fd) = (descriptor(ebpf, "ACCESSES")?, descriptor(ebpf, "CONNECTIONS")?);
        Ok(Self {
            accesses_fd,
            connections_fd,
            device_slots: take!(ebpf, "DEVICE_SLOTS"),
            devices: take!(ebpf, "DEVICES"),
            files: take!(ebpf, "FILES"),
            cgroups: take!(ebpf, "CGROUPS"),
            workloads: take!(ebpf, "WORKLOADS"),
            processes: take!(ebpf, "PROCESSES"),
            accesses: take!(ebpf, "ACCESSES"),
            connections: take!(ebpf, "CONNECTIONS"),
            losses: take!(ebpf, "LOSSES"),
            told: take!(ebpf, "TOLD"),
            counters: take!(ebpf, "COUNTERS"),
            sent: take!(ebpf, "SENT"),
            control: take!(ebpf, "CONTROL"),
            elsewhere: StdHashMap::new(),
            map_bytes,
        })
    }

    /// Kernel memory of all tables when they were made, bytes. Tables without preallocation grow with their entries.
    pub fn initial_bytes(&self) -> u64 {
        self.map_bytes
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

    /// Gives processes of unknown workloads a budget too, one for all of them.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn provide_unknown_workload(&mut self) -> Result<(), TableError> {
        if self.workloads.get(&0, 0).is_err() {
            self.workloads.insert(0, WorkloadState::default(), 0).map_err(refused("write", "WORKLOADS"))?;
        }
        Ok(())
    }

    /// Forgets what an agent before had watched and this one does not: to be called once the secrets are known, so
    /// that those which are still there were never unwatched.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn keep_only(
        &mut self,
        filesystems: &HashSet<FilesystemKey>,
        files: &HashSet<InodeKey>,
    ) -> Result<(), TableError> {
        let kept: HashSet<u32> = filesystems.iter().map(|filesystem| filesystem.device).collect();
        for slot in 1..map::DEVICE_SLOTS {
            let old = self.device_slots.get(&slot, 0).map_err(refused("read", "DEVICE_SLOTS"))?;
            if old.flags != 0 && !kept.contains(&slot) {
                self.device_slots
                    .set(slot, Device::default(), 0)
                    .map_err(refused("write", "DEVICE_SLOTS"))?;
            }
        }
        let stale: Vec<u32> = self.devices.keys().flatten().filter(|number| !kept.contains(number)).collect();
        for number in stale {
            let _ = self.devices.remove(&number);
        }
        let stale: Vec<AbiInodeKey> =
            self.files.keys().flatten().filter(|key| !files.contains(&model_inode(*key))).collect();
        for key in stale {
            let _ = self.files.remove(&key);
        }
        self.lead_elsewhere()
    }

    /// Watches a file system.
    ///
    /// # Errors
    /// If the kernel refuses, for instance because the table of devices without a slot is full.
    pub fn watch(&mut self, filesystem: FilesystemKey, watch: Watch) -> Result<(), TableError> {
        let flags = [
            (watch.whole, device::WHOLE),
            (watch.kubelet, device::KUBELET),
            (watch.files, device::FILES),
            (watch.trees, device::TREES),
        ]
        .into_iter()
        .filter(|(set, _)| *set)
        .fold(0, |flags, (_, bit)| flags | bit);
        let entry = Device { flags, generation: filesystem.generation };
        if (1..map::DEVICE_SLOTS).contains(&filesystem.device) {
            return self
                .device_slots
                .set(filesystem.device, entry, 0)
                .map_err(refused("write", "DEVICE_SLOTS"));
        }
        self.devices.insert(filesystem.device, entry, 0).map_err(refused("write", "DEVICES"))?;
        self.elsewhere.insert(filesystem.device, ());
        self.lead_elsewhere()
    }

    /// Stops watching a file system; one that has taken its device number meanwhile is left alone.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn unwatch(&mut self, filesystem: FilesystemKey) -> Result<(), TableError> {
        if (1..map::DEVICE_SLOTS).contains(&filesystem.device) {
            let slot = filesystem.device;
            let entry = self.device_slots.get(&slot, 0).map_err(refused("read", "DEVICE_SLOTS"))?;
            if entry.generation == filesystem.generation {
                self.device_slots
                    .set(slot, Device::default(), 0)
                    .map_err(refused("write", "DEVICE_SLOTS"))?;
            }
            return Ok(());
        }
        let _ = self.devices.remove(&filesystem.device);
        self.elsewhere.remove(&filesystem.device);
        self.lead_elsewhere()
    }

    fn lead_elsewhere(&mut self) -> Result<(), TableError> {
        let flags = if self.elsewhere.is_empty() { 0 } else { device::ELSEWHERE };
        self.device_slots.set(0, Device { flags, generation: 0 }, 0).map_err(refused("write", "DEVICE_SLOTS"))
    }

    /// Marks a single file as secret.
    ///
    /// # Errors
    /// If the table is full.
    pub fn mark_file(&mut self, key: InodeKey) -> Result<(), TableError> {
        self.files.insert(abi_inode(key), file::SECRET, 0).map_err(refused("write", "FILES"))
    }

    /// Marks a folder whose tree is secret.
    ///
    /// # Errors
    /// If the table is full.
    pub fn mark_tree(&mut self, key: InodeKey) -> Result<(), TableError> {
        self.files.insert(abi_inode(key), file::TREE, 0).map_err(refused("write", "FILES"))
    }

    /// Takes a mark off a file or folder.
    pub fn unmark(&mut self, key: InodeKey) {
        // It may be gone already; then there is nothing to do.
        let _ = self.files.remove(&abi_inode(key));
    }

    /// Says what a cgroup belongs to. A `container`'s later sub-cgroups inherit it in the kernel.
    ///
    /// # Errors
    /// If the table is full.
    pub fn set_cgroup(
        &mut self,
        cgroup: CgroupId,
        workload: WorkloadId,
        container: bool,
    ) -> Result<(), TableError> {
        let flags = map::cgroup::FINAL | if container { map::cgroup::CONTAINER } else { 0 };
        self.cgroups
            .insert(cgroup.0, CgroupEntry { workload: workload.0, flags }, 0)
            .map_err(refused("write", "CGROUPS"))?;
        if self.workloads.get(&workload.0, 0).is_err() {
            self.workloads
                .insert(workload.0, WorkloadState::default(), 1)
                .or_else(|error| if self.workloads.get(&workload.0, 0).is_ok() { Ok(()) } else { Err(error) })
                .map_err(refused("write", "WORKLOADS"))?;
        }
        Ok(())
    }

    /// Retires a cgroup whose tombstone has lived long enough.
    pub fn forget_cgroup(&mut self, cgroup: CgroupId) {
        let _ = self.cgroups.remove(&cgroup.0);
        let _ = self.workloads.remove(&cgroup.0);
    }

    /// Records that the workload's first process has run: whoever enters from now on is an exec session.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_started(
        &mut self,
        workload: WorkloadId,
        root: Option<FilesystemKey>,
    ) -> Result<(), TableError> {
        let mut state = self.workloads.get(&workload.0, 0).unwrap_or_default();
        if state.started == 0 {
            state.started = 1;
            if let Some(root) = root {
                state.root_device = root.device;
                state.root_generation = root.generation;
            }
            self.workloads.insert(workload.0, state, 0).map_err(refused("write", "WORKLOADS"))?;
        }
        Ok(())
    }

    /// Whether a workload's first process has run.
    pub fn is_started(&self, workload: WorkloadId) -> bool {
        self.workloads.get(&workload.0, 0).is_ok_and(|state| state.started != 0)
    }

    /// A process as the kernel knows it.
    pub fn process(&self, pid: u32) -> Option<ProcessState> {
        self.processes.get(&pid, 0).ok()
    }

    /// Drops a process whose end was not seen.
    pub fn forget_process(&mut self, pid: u32) {
        let _ = self.processes.remove(&pid);
    }

    /// Every running counter of accesses.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn for_each_access(&self, each: impl FnMut(AccessKey, Count)) -> Result<(), TableError> {
        batch::for_each(self.accesses_fd.as_fd(), each).map_err(|error| TableError::Refused {
            what: "read",
            name: "ACCESSES",
            reason: error.to_string(),
        })
    }

    /// Every running counter of connections.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn for_each_connection(&self, each: impl FnMut(ConnectionKey, Count)) -> Result<(), TableError> {
        batch::for_each(self.connections_fd.as_fd(), each).map_err(|error| TableError::Refused {
            what: "read",
            name: "CONNECTIONS",
            reason: error.to_string(),
        })
    }

    /// Retires the counter of a process that has ended: nobody can add to it any more.
    pub fn forget_access(&mut self, key: &AccessKey) {
        let _ = self.accesses.remove(key);
    }

    /// As [`Tables::forget_access`].
    pub fn forget_connection(&mut self, key: &ConnectionKey) {
        let _ = self.connections.remove(key);
    }

    /// Losses by workload, hook and reason; totals since the tables were made.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn losses(&self) -> Result<Vec<(LossKey, u64)>, TableError> {
        self.losses.iter().collect::<Result<_, _>>().map_err(refused("read", "LOSSES"))
    }

    /// What of the losses has been told, by this agent or one before.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn told(&self) -> Result<Vec<(LossKey, u64)>, TableError> {
        self.told.iter().collect::<Result<_, _>>().map_err(refused("read", "TOLD"))
    }

    /// Notes what has been told.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_told(&mut self, key: LossKey, total: u64) -> Result<(), TableError> {
        self.told.insert(key, total, 0).map_err(refused("write", "TOLD"))
    }

    /// Counters that are not zero.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counters(&self) -> Result<Vec<Counter>, TableError> {
        let mut found = Vec::new();
        for hook in Hook::ALL {
            for reason in Reason::ALL {
                let slot = *hook as u32 * REASONS + *reason as u32;
                let total = sum(&self.counters, slot, "COUNTERS")?;
                if total > 0 {
                    found.push(Counter { hook: *hook, reason: *reason, total });
                }
            }
        }
        Ok(found)
    }

    /// Events sent, by hook.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn sent(&self) -> Result<Vec<(Hook, u64)>, TableError> {
        Hook::ALL.iter().map(|hook| Ok((*hook, sum(&self.sent, *hook as u32, "SENT")?))).collect()
    }

    /// Fill levels of the tables that grow.
    pub fn levels(&self) -> Vec<Level> {
        let level =
            |name, used: usize, capacity: u32| Level { name, used: used as u64, capacity: capacity.into() };
        vec![
            level("files", self.files.keys().count(), map::FILES),
            level("cgroups", self.cgroups.keys().count(), map::CGROUPS),
            level("processes", self.processes.keys().count(), map::PROCESSES),
            level("accesses", count_entries::<AccessKey, Count>(self.accesses_fd.as_fd()), map::ACCESSES),
            level(
                "connections",
                count_entries::<ConnectionKey, Count>(self.connections_fd.as_fd()),
                map::CONNECTIONS,
            ),
            level("losses", self.losses.keys().count(), map::LOSSES),
        ]
    }

    /// Memory of the tables that grow, as the kernel accounts it now, plus that of the fixed ones; bytes.
    pub fn bytes(&self) -> u64 {
        self.map_bytes
    }
}

/// A descriptor of our own for a table, for whole reads.
fn descriptor(ebpf: &Ebpf, name: &'static str) -> Result<OwnedFd, TableError> {
    let missing = |reason: String| TableError::Missing { name, reason };
    match ebpf.map(name) {
        Some(Map::HashMap(data)) => {
            data.fd().as_fd().try_clone_to_owned().map_err(|error| missing(error.to_string()))
        }
        _ => Err(missing("the object has none of this type".to_owned())),
    }
}

fn count_entries<K: aya::Pod, V: aya::Pod>(fd: BorrowedFd<'_>) -> usize {
    let mut entries = 0;
    match batch::for_each::<K, V>(fd, |_, _| entries += 1) {
        Ok(()) => entries,
        Err(_) => 0,
    }
}

fn sum(map: &PerCpuArray<MapData, u64>, slot: u32, name: &'static str) -> Result<u64, TableError> {
    Ok(map.get(&slot, 0).map_err(refused("read", name))?.iter().sum())
}

/// `memlock` of every map, from /proc/self/fdinfo.
fn memory_of(ebpf: &Ebpf) -> u64 {
    ebpf.maps()
        .filter_map(|(_, map)| {
            let fd = match map {
                Map::Array(data) | Map::HashMap(data) | Map::LruHashMap(data) => data.fd(),
                Map::PerCpuArray(data) | Map::RingBuf(data) => data.fd(),
                _ => return None,
            };
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).ok()?;
            text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse::<u64>().ok())
        })
        .sum()
}

/// A model key as the kernel's.
pub(crate) fn abi_inode(key: InodeKey) -> AbiInodeKey {
    AbiInodeKey {
        ino: key.ino,
        filesystem: cofferdam_abi::key::FilesystemKey {
            device: key.filesystem.device,
            generation: key.filesystem.generation,
        },
        generation: key.generation,
        reserved: 0,
    }
}

/// The kernel's key as the model's.
pub fn model_inode(key: AbiInodeKey) -> InodeKey {
    InodeKey {
        filesystem: FilesystemKey { device: key.filesystem.device, generation: key.filesystem.generation },
        ino: key.ino,
        generation: key.generation,
    }
}
