//! Who is who in the kernel: cgroups, workloads, processes.

use cofferdam_abi::count::WorkloadState;
use cofferdam_abi::map::{self, CgroupEntry};
use cofferdam_abi::process::ProcessState;
use cofferdam_model::{CgroupId, FilesystemKey, WorkloadId};

use super::{TableError, Tables, refused};

/// Only if there is none yet: what the kernel has counted meanwhile stays (`BPF_NOEXIST`).
const NEW: u64 = 1;

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
        let flags = map::cgroup::FINAL | if container { map::cgroup::CONTAINER } else { 0 };
        self.cgroups
            .insert(cgroup.0, CgroupEntry { workload: workload.0, flags }, 0)
            .map_err(refused("write", "CGROUPS"))?;
        self.provide_workload(workload)
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
