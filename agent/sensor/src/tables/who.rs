//! Who is who in the kernel: cgroups, workloads, processes.

use std::path::Path;

use aya::maps::{HashMap, Map, MapData};
use cofferdam_abi::count::WorkloadState;
use cofferdam_abi::map::{self, CgroupEntry};
use cofferdam_abi::process::ProcessState;
use cofferdam_model::{CgroupId, FilesystemKey, WorkloadId};

use super::{TableError, Tables, reason, refused};
use crate::pins::Version;

/// Only if there is none yet: what the kernel has counted meanwhile stays (`BPF_NOEXIST`).
const NEW: u64 = 1;

/// Who is who, for threads that do not own the tables.
pub struct Residents {
    processes: HashMap<MapData, u32, ProcessState>,
    cgroups: HashMap<MapData, u64, CgroupEntry>,
}

impl Residents {
    /// Looks into the tables that are pinned in this folder.
    ///
    /// # Errors
    /// If they are not there.
    pub fn open(pin_dir: &Path) -> Result<Self, TableError> {
        let maps = Version::own(pin_dir).maps();
        Ok(Self { processes: pinned(&maps, "PROCESSES")?, cgroups: pinned(&maps, "CGROUPS")? })
    }

    /// The workload of a process, if the kernel knows it.
    pub fn workload_of(&self, pid: u32) -> Option<WorkloadId> {
        self.processes.get(&pid, 0).ok().map(|state| WorkloadId(state.workload))
    }

    /// The workload of a cgroup.
    pub fn workload_at(&self, cgroup: CgroupId) -> WorkloadId {
        self.cgroups.get(&cgroup.0, 0).map_or(WorkloadId::UNKNOWN, |entry| WorkloadId(entry.workload))
    }

    /// Whether a workload is a container.
    pub fn is_container(&self, workload: WorkloadId) -> bool {
        self.cgroups.get(&workload.0, 0).is_ok_and(|entry| entry.flags & map::cgroup::CONTAINER != 0)
    }
}

fn pinned<K: aya::Pod, V: aya::Pod>(
    maps: &Path,
    name: &'static str,
) -> Result<HashMap<MapData, K, V>, TableError> {
    let found = MapData::from_pin(maps.join(name)).map(Map::HashMap).and_then(TryInto::try_into);
    found.map_err(|error| TableError::Missing { name, reason: reason(&error) })
}

impl Tables {
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
        self.provide_workload(workload)?;
        let is_nested = container && WorkloadId::rooted_at(cgroup) != workload;
        if is_nested && self.cgroups.get(&cgroup.0, 0).is_err() && !self.may_nest(workload) {
            // The kernel knows it by those above it.
            return Ok(());
        }
        let flags = map::cgroup::FINAL | if container { map::cgroup::CONTAINER } else { 0 };
        self.cgroups
            .insert(cgroup.0, CgroupEntry { workload: workload.0, flags }, 0)
            .map_err(refused("write", "CGROUPS"))
    }

    /// Whether a cgroup below a container that the kernel has given no row may have one.
    fn may_nest(&mut self, workload: WorkloadId) -> bool {
        let Ok(mut state) = self.workloads.get(&workload.0, 0) else { return true };
        state.nested = state.nested.saturating_add(1);
        state.nested <= map::NESTED_MAX && self.workloads.insert(workload.0, state, 0).is_ok()
    }

    /// Sees to it that a workload has a row, and with it a budget; those that are not known share one.
    ///
    /// # Errors
    /// If the table is full.
    pub(crate) fn provide_workload(&mut self, workload: WorkloadId) -> Result<(), TableError> {
        if self.workloads.get(&workload.0, 0).is_ok() {
            return Ok(());
        }
        let inserted = self.workloads.insert(workload.0, WorkloadState::default(), NEW);
        // The kernel may have been faster.
        inserted
            .or_else(|error| self.workloads.get(&workload.0, 0).map(drop).map_err(|_| error))
            .map_err(refused("write", "WORKLOADS"))
    }

    /// Retires a cgroup whose tombstone has lived long enough, and its losses if it was a workload's root.
    pub fn forget_cgroup(&mut self, cgroup: CgroupId) {
        let _ = self.cgroups.remove(&cgroup.0);
        if self.workloads.remove(&cgroup.0).is_ok() {
            self.forget_losses(WorkloadId::rooted_at(cgroup));
            self.forget_assignment(cgroup.0);
        }
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
}
