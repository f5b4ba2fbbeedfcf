//! Who is who right now: inventory's tables, asked together.

use cofferdam_inventory::cgroup_path::RuntimeState;
use cofferdam_inventory::first_reads::FirstReads;
use cofferdam_inventory::processes::Processes;
use cofferdam_inventory::workloads::{WorkloadChange, Workloads};
use cofferdam_model::{BootTime, CgroupId, EventId, PodUid, Process, ProcessKey, Workload, WorkloadId};

/// The tables.
#[derive(Debug, Default)]
pub struct State {
    /// Cgroups and workloads.
    pub workloads: Workloads,
    /// Processes and what they run.
    pub processes: Processes,
    /// Orders of first reads.
    pub first_reads: FirstReads,
}

impl State {
    /// A cgroup was made while we watch.
    pub fn cgroup_made(
        &mut self,
        id: CgroupId,
        parent: CgroupId,
        path: &str,
        now: BootTime,
        runtimes: &dyn RuntimeState,
    ) -> WorkloadChange {
        let change = self.workloads.made(id, parent, path, now, runtimes);
        if change.workload == WorkloadId::rooted_at(id) {
            self.first_reads.began(change.workload);
        }
        change
    }

    /// The workload that an event belongs to: what the kernel decided, as far as this side agrees who is the root.
    pub fn workload_of(&self, kernel: WorkloadId, cgroup: CgroupId) -> WorkloadId {
        let root = if kernel.is_known() { CgroupId(kernel.0) } else { cgroup };
        self.workloads.resolve(root).map_or(WorkloadId(root.0), |workload| workload.id)
    }

    /// Path of a cgroup, if it is not the one at the workload's root.
    pub fn path_elsewhere(&self, workload: WorkloadId, cgroup: CgroupId) -> Option<String> {
        let root = self.workloads.get(workload)?;
        let path = self.workloads.path(cgroup)?;
        (root.cgroup_path != path).then(|| path.to_owned())
    }

    /// Whether a workload is a container.
    pub fn is_container(&self, id: WorkloadId) -> bool {
        self.workloads.get(id).is_some_and(|workload| workload.kind.is_container())
    }

    /// Containers of a pod, the sandbox left out.
    pub fn of_pod(&self, pod: &PodUid) -> Vec<WorkloadId> {
        let of_pod = |workload: &&Workload| {
            workload.kind.pod_uid() == Some(pod) && !workload.sandbox && workload.until.is_none()
        };
        self.workloads.iter().filter(of_pod).map(|workload| workload.id).collect()
    }

    /// The program that a process runs, or ran last.
    pub fn program_of(&self, key: ProcessKey) -> Option<&Process> {
        self.processes.current(key.pid).filter(|process| process.key == key)
    }

    /// A program.
    pub fn program(&self, exec: EventId) -> Option<&Process> {
        self.processes.get(exec)
    }

    /// Forgets the dead whose time is over; returns the cgroups that are forgotten.
    pub fn prune(&mut self, now: BootTime) -> Vec<CgroupId> {
        self.processes.prune(now);
        let forgotten = self.workloads.prune(now);
        forgotten.iter().for_each(|cgroup| self.first_reads.forget(WorkloadId::rooted_at(*cgroup)));
        forgotten
    }
}
