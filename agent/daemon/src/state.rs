//! Who is who right now: cgroups, workloads and processes, with tombstones so that late events still resolve.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use cofferdam_inventory::cgroup_path::{self, RuntimeState};
use cofferdam_model::{
    BootTime, CgroupId, EventId, PodUid, Process, ProcessKey, Workload, WorkloadId, WorkloadKind,
};

/// How long the dead are remembered.
const TOMBSTONE: Duration = Duration::from_secs(600);
/// The most programs remembered; beyond it the oldest dead go first.
const PROCESSES_MAX: usize = 65_536;
/// The most secrets that taint one process by name; further ones are counted in `…`.
const TAINTS_MAX: usize = 32;

/// A cgroup.
#[derive(Debug, Clone)]
struct Cgroup {
    path: String,
    workload: WorkloadId,
    /// A runtime may yet say that it is a container.
    provisional: bool,
}

/// A program of a process, and what is kept about it beyond the record.
#[derive(Debug, Clone)]
pub struct Known {
    /// The record.
    pub process: Process,
    /// It stands in the journal.
    pub journalled: bool,
    taints: BTreeSet<String>,
}

/// What became of a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The workload it belongs to.
    pub workload: WorkloadId,
    /// It is the root of that workload, which is new or has changed its kind.
    pub root: bool,
    /// It is a container or lies in one.
    pub container: bool,
    /// Ask again: a runtime may yet say that it is a container.
    pub provisional: bool,
}

/// The state.
#[derive(Debug, Default)]
pub struct State {
    cgroups: HashMap<CgroupId, Cgroup>,
    by_path: HashMap<String, CgroupId>,
    workloads: HashMap<WorkloadId, Workload>,
    processes: HashMap<EventId, Known>,
    current: HashMap<ProcessKey, EventId>,
    dead_cgroups: VecDeque<(BootTime, CgroupId)>,
    dead_processes: VecDeque<(BootTime, EventId)>,
    first_reads: HashMap<WorkloadId, HashMap<String, u64>>,
    bounds_hit: u64,
}

impl State {
    /// A cgroup was made or found.
    pub fn cgroup(&mut self, id: CgroupId, path: &str, runtimes: &dyn RuntimeState, now: BootTime) -> Placed {
        let classified = cgroup_path::classify(path, runtimes);
        let is_root = classified.root == path;
        let owner = if is_root { Some(id) } else { self.by_path.get(classified.root).copied() };
        // An ancestor that was never seen: the cgroup stands for itself until it is.
        let workload = WorkloadId::rooted_at(owner.unwrap_or(id));
        let container = classified.kind.is_container();
        self.by_path.insert(path.to_owned(), id);
        self.cgroups
            .insert(id, Cgroup { path: path.to_owned(), workload, provisional: classified.provisional });
        if workload == WorkloadId::rooted_at(id) {
            let kind = classified.kind;
            match self.workloads.get_mut(&workload) {
                Some(known) if known.kind == kind => {
                    return Placed { workload, root: false, container, provisional: classified.provisional };
                }
                Some(known) => known.kind = kind,
                None => drop(self.workloads.insert(workload, new_workload(workload, id, path, kind, now))),
            }
            return Placed { workload, root: true, container, provisional: classified.provisional };
        }
        Placed { workload, root: false, container, provisional: classified.provisional }
    }

    /// Looks again at a cgroup whose kind was not certain, and at those below it.
    pub fn again(
        &mut self,
        id: CgroupId,
        runtimes: &dyn RuntimeState,
        now: BootTime,
    ) -> Vec<(CgroupId, Placed)> {
        let Some(path) = self.cgroups.get(&id).map(|cgroup| cgroup.path.clone()) else { return Vec::new() };
        let mut placed = vec![(id, self.cgroup(id, &path, runtimes, now))];
        if placed[0].1.root && placed[0].1.container {
            let below = format!("{path}/");
            let inside: Vec<(CgroupId, String)> = self
                .cgroups
                .iter()
                .filter(|(_, cgroup)| cgroup.path.starts_with(&below))
                .map(|(id, cgroup)| (*id, cgroup.path.clone()))
                .collect();
            for (id, path) in inside {
                placed.push((id, self.cgroup(id, &path, runtimes, now)));
            }
        }
        placed
    }

    /// A cgroup is gone; it is remembered for a while. The ended workload, if it was the root of one.
    pub fn cgroup_removed(&mut self, id: CgroupId, now: BootTime) -> Option<Workload> {
        let cgroup = self.cgroups.get(&id)?;
        if self.by_path.get(&cgroup.path) == Some(&id) {
            self.by_path.remove(&cgroup.path);
        }
        self.dead_cgroups.push_back((now, id));
        let workload = self.workloads.get_mut(&WorkloadId::rooted_at(id))?;
        workload.until = Some(now);
        Some(workload.clone())
    }

    /// The workload that an event belongs to: what the kernel decided, as far as this side agrees who is the root.
    pub fn workload_of(&self, kernel: WorkloadId, cgroup: CgroupId) -> WorkloadId {
        let root = if kernel.is_known() { CgroupId(kernel.0) } else { cgroup };
        self.cgroups.get(&root).map_or(WorkloadId(root.0), |cgroup| cgroup.workload)
    }

    /// The workload of the cgroup at a path.
    pub fn workload_at(&self, path: &str) -> Option<WorkloadId> {
        let id = self.by_path.get(path)?;
        self.cgroups.get(id).map(|cgroup| cgroup.workload)
    }

    /// A workload.
    pub fn workload(&self, id: WorkloadId) -> Option<&Workload> {
        self.workloads.get(&id)
    }

    /// A workload, to be named.
    pub fn workload_mut(&mut self, id: WorkloadId) -> Option<&mut Workload> {
        self.workloads.get_mut(&id)
    }

    /// Every workload.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values()
    }

    /// Whether a workload is a container.
    pub fn is_container(&self, id: WorkloadId) -> bool {
        self.workloads.get(&id).is_some_and(|workload| workload.kind.is_container())
    }

    /// Containers of a pod, the sandbox left out.
    pub fn of_pod(&self, pod: &PodUid) -> Vec<WorkloadId> {
        let of_pod = |workload: &&Workload| {
            workload.kind.pod_uid() == Some(pod) && !workload.sandbox && workload.until.is_none()
        };
        self.workloads.values().filter(of_pod).map(|workload| workload.id).collect()
    }

    /// A process began a program (or was forked, or adopted). `previous` is the program it came from: its own before
    /// an exec, its parent's at a fork.
    pub fn began(&mut self, mut process: Process, previous: Option<EventId>, now: BootTime) -> EventId {
        let origin = previous.and_then(|previous| self.processes.get(&previous));
        let taints = origin.map(|origin| origin.taints.clone()).unwrap_or_default();
        if let Some(origin) = origin {
            let same_process = origin.process.key == process.key;
            if process.executable.path.is_none() {
                process.executable.path.clone_from(&origin.process.executable.path);
                process.executable.interpreter.clone_from(&origin.process.executable.interpreter);
            }
            if same_process {
                process.parent = process.parent.or(origin.process.parent);
                process.parent_exec = process.parent_exec.or(origin.process.parent_exec);
            } else {
                process.parent = process.parent.or(Some(origin.process.key));
                process.parent_exec = process.parent_exec.or(previous);
            }
        }
        let (exec, key) = (process.exec, process.key);
        if let Some(last) = self.current.insert(key, exec)
            && last != exec
        {
            self.dead_processes.push_back((now, last));
        }
        self.processes.insert(exec, Known { process, journalled: false, taints });
        while self.processes.len() > PROCESSES_MAX {
            let Some((_, oldest)) = self.dead_processes.pop_front() else { break };
            self.processes.remove(&oldest);
            self.bounds_hit += 1;
        }
        exec
    }

    /// A program.
    pub fn process(&self, exec: EventId) -> Option<&Known> {
        self.processes.get(&exec)
    }

    /// A program, to be changed.
    pub fn process_mut(&mut self, exec: EventId) -> Option<&mut Known> {
        self.processes.get_mut(&exec)
    }

    /// The program that a process runs, or ran last.
    pub fn exec_of(&self, key: ProcessKey) -> Option<EventId> {
        self.current.get(&key).copied()
    }

    /// A process ended.
    pub fn exited(&mut self, key: ProcessKey, now: BootTime) {
        if let Some(exec) = self.current.remove(&key) {
            self.dead_processes.push_back((now, exec));
        }
    }

    /// Processes that are alive as far as known.
    pub fn alive(&self) -> impl Iterator<Item = &ProcessKey> {
        self.current.keys()
    }

    /// A process touched a secret: it and what it starts from now on is tainted.
    pub fn touched(&mut self, exec: EventId, secret: &str) {
        if let Some(known) = self.processes.get_mut(&exec)
            && known.taints.len() < TAINTS_MAX
        {
            known.taints.insert(secret.to_owned());
        }
    }

    /// Secrets that this process or an ancestor had touched before.
    pub fn tainted_by(&self, exec: EventId) -> Vec<String> {
        self.processes.get(&exec).map(|known| known.taints.iter().cloned().collect()).unwrap_or_default()
    }

    /// Which of the workload's distinct secrets, in the order of first reads, this one is.
    pub fn order(&mut self, workload: WorkloadId, secret: &str) -> u64 {
        let reads = self.first_reads.entry(workload).or_default();
        let next = reads.len() as u64 + 1;
        *reads.entry(secret.to_owned()).or_insert(next)
    }

    /// Forgets the dead whose time is over; returns the cgroups that are forgotten.
    pub fn bury(&mut self, now: BootTime) -> Vec<CgroupId> {
        while let Some((died, exec)) = self.dead_processes.front().copied() {
            if now.since(died) < TOMBSTONE {
                break;
            }
            self.dead_processes.pop_front();
            self.processes.remove(&exec);
        }
        let mut buried = Vec::new();
        while let Some((died, id)) = self.dead_cgroups.front().copied() {
            if now.since(died) < TOMBSTONE {
                break;
            }
            self.dead_cgroups.pop_front();
            self.cgroups.remove(&id);
            self.workloads.remove(&WorkloadId::rooted_at(id));
            self.first_reads.remove(&WorkloadId::rooted_at(id));
            buried.push(id);
        }
        buried
    }

    /// Cgroups, workloads, programs remembered.
    pub fn sizes(&self) -> [usize; 3] {
        [self.cgroups.len(), self.workloads.len(), self.processes.len()]
    }

    /// Cgroups whose kind may yet change.
    pub fn provisional(&self, id: CgroupId) -> bool {
        self.cgroups.get(&id).is_some_and(|cgroup| cgroup.provisional)
    }

    /// Path of a cgroup.
    pub fn path(&self, id: CgroupId) -> Option<&str> {
        self.cgroups.get(&id).map(|cgroup| cgroup.path.as_str())
    }
}

fn new_workload(id: WorkloadId, cgroup: CgroupId, path: &str, kind: WorkloadKind, now: BootTime) -> Workload {
    Workload {
        id,
        cgroup,
        cgroup_path: path.to_owned(),
        kind,
        namespace: None,
        pod: None,
        container: None,
        sandbox: false,
        labels: Default::default(),
        image: None,
        credential_variables: Vec::new(),
        since: now,
        until: None,
    }
}
