//! Who is who right now: inventory's tables, asked together.

use std::collections::HashMap;
use std::path::PathBuf;

use cofferdam_inventory::cgroup_path::RuntimeState;
use cofferdam_inventory::first_reads::FirstReads;
use cofferdam_inventory::hierarchy::Hierarchy;
use cofferdam_inventory::processes::Processes;
use cofferdam_inventory::workloads::{WorkloadChange, Workloads};
use cofferdam_model::{BootTime, CgroupId, EventId, PodUid, Process, ProcessKey, Workload, WorkloadId};
use cofferdam_sensor::abi::event::PATH_LEN;

use crate::containment::home::Home;

/// The tables.
#[derive(Debug, Default)]
pub struct State {
    /// Cgroups and workloads.
    pub workloads: Workloads,
    /// Processes and what they run.
    pub processes: Processes,
    /// Orders of first reads.
    pub first_reads: FirstReads,
    /// Root file systems of containers on the host, as their runtimes were told.
    pub roots: HashMap<WorkloadId, PathBuf>,
    /// Where workloads' own programs live, as the first of them told.
    pub homes: HashMap<WorkloadId, Home>,
    /// Where cgroups stand, for paths that the kernel's record has no room for.
    pub hierarchy: Option<Hierarchy>,
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
        let whole = if path.len() + 1 >= PATH_LEN { self.whole_path(id, parent) } else { None };
        let path = whole.as_deref().unwrap_or(path);
        let change = self.workloads.made(id, parent, path, now, runtimes);
        if change.workload == WorkloadId::rooted_at(id) {
            self.first_reads.began(change.workload);
        }
        change
    }

    /// The path of a cgroup whose record was too short for it, unless it is gone already.
    fn whole_path(&self, id: CgroupId, parent: CgroupId) -> Option<String> {
        self.hierarchy.as_ref()?.path_below(self.workloads.path(parent)?, id)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use cofferdam_inventory::cgroup_path::NoRuntimes;
    use cofferdam_inventory::mounts::MountTable;

    use super::*;

    #[test]
    fn a_path_that_the_kernels_record_has_no_room_for_is_read_from_the_hierarchy() {
        let folder = tempfile::tempdir().unwrap();
        let mounted = format!("1 0 0:30 / {} rw - cgroup2 x rw\n", folder.path().display());
        let hierarchy = Hierarchy::find(&MountTable::parse(mounted.as_bytes())).unwrap();
        let mut state = State { hierarchy: Some(hierarchy), ..State::default() };
        let id = |path: &Path| CgroupId(fs::metadata(path).unwrap().ino());
        let (mut at, mut path) = (folder.path().to_owned(), String::new());
        state.workloads.made(id(&at), id(&at), "/", BootTime::from_nanos(0), &NoRuntimes);
        for name in ["a".repeat(200), "b".repeat(200), "c".to_owned()] {
            let parent = id(&at);
            at.push(&name);
            fs::create_dir(&at).unwrap();
            path = format!("{path}/{name}");
            let told = &path[..path.len().min(PATH_LEN - 1)];
            state.cgroup_made(id(&at), parent, told, BootTime::from_nanos(1), &NoRuntimes);
            assert_eq!(state.workloads.path(id(&at)), Some(path.as_str()));
        }
        let gone = CgroupId(u64::MAX);
        state.cgroup_made(gone, id(&at), &path[..PATH_LEN - 1], BootTime::from_nanos(2), &NoRuntimes);
        assert_eq!(state.workloads.path(gone), Some(&path[..PATH_LEN - 1]), "nobody can tell any more");
    }
}
