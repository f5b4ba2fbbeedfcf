//! The workloads of this boot: cgroup id to path to workload, with names as they become known.
//!
//! Pure: the caller brings cgroup events, runtime state and the clock. A workload's identity never changes once it is
//! settled; its names may come at any time, also after its end. Everything is bounded, and what a bound cost is
//! counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use cofferdam_model::{BootTime, CgroupId, ContainerId, Workload, WorkloadId, WorkloadKind};

use crate::cgroup_path::{Classified, RuntimeState, classify};
use crate::names::ContainerNames;

/// Bounds of the table.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Cgroups that exist; what is made beyond it stays unknown.
    pub cgroups: usize,
    /// Removed cgroups that are remembered.
    pub tombstones: usize,
    /// How long a removed cgroup is remembered, so that late events still resolve.
    pub tombstone_age: Duration,
    /// Names that came before their container's cgroup.
    pub early_names: usize,
    /// How long these are kept.
    pub early_names_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cgroups: 32_768,
            tombstones: 4_096,
            tombstone_age: Duration::from_mins(10),
            early_names: 1_024,
            early_names_age: Duration::from_mins(2),
        }
    }
}

/// What the bounds and the gaps have cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Cgroups that were left out because the table was full.
    pub cgroups_dropped: u64,
    /// Tombstones that went before their age because there were too many.
    pub tombstones_dropped: u64,
    /// Names that came early and went because there were too many.
    pub names_dropped: u64,
    /// Cgroups whose workload's root is not known: its event was lost, a new walk finds it.
    pub rootless: u64,
}

/// What a cgroup turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadChange {
    /// The cgroup.
    pub cgroup: CgroupId,
    /// Its workload; [`WorkloadId::UNKNOWN`] if the table is full or the root is not known.
    pub workload: WorkloadId,
    /// The workload is a container: what is made below inherits in the kernel.
    pub container: bool,
    /// It may yet turn out to be a container: [`Workloads::reconsider`] it.
    pub provisional: bool,
    /// The workload, if it is new or is now known to be something else.
    pub record: Option<Workload>,
}

#[derive(Debug)]
struct Cgroup {
    path: Box<str>,
    workload: WorkloadId,
    provisional: bool,
    removed: Option<BootTime>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Workloads {
    limits: Limits,
    cgroups: HashMap<CgroupId, Cgroup>,
    workloads: HashMap<WorkloadId, Workload>,
    by_path: HashMap<Box<str>, CgroupId>,
    by_container: HashMap<ContainerId, WorkloadId>,
    removed: VecDeque<(BootTime, CgroupId)>,
    early: VecDeque<(BootTime, ContainerNames)>,
    counters: Counters,
}

impl Workloads {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A cgroup was made, or was found by a walk (parents first). Saying it again is harmless.
    pub fn made(
        &mut self,
        id: CgroupId,
        parent: CgroupId,
        path: &str,
        time: BootTime,
        runtimes: &dyn RuntimeState,
    ) -> WorkloadChange {
        if let Some(known) = self.cgroups.get(&id)
            && (known.workload.is_known() || known.removed.is_some())
        {
            return self.change(id, None);
        }
        if !self.cgroups.contains_key(&id) && self.by_path.len() >= self.limits.cgroups {
            self.counters.cgroups_dropped += 1;
            return self.change(id, None);
        }
        let (workload, provisional, record) = match self.inherited(parent) {
            Some(workload) => (workload, false, None),
            None => self.placed(id, path, classify(path, runtimes), time),
        };
        let cgroup = Cgroup { path: path.into(), workload, provisional, removed: None };
        self.cgroups.insert(id, cgroup);
        self.by_path.insert(path.into(), id);
        self.change(id, record)
    }

    /// Asks again what a provisional cgroup is, as when a process has entered it or a runtime's state has changed.
    /// Empty if nothing changed; else the cgroup, and those below it that follow.
    pub fn reconsider(&mut self, id: CgroupId, runtimes: &dyn RuntimeState) -> Vec<WorkloadChange> {
        let Some(cgroup) = self.cgroups.get(&id).filter(|cgroup| cgroup.provisional) else {
            return Vec::new();
        };
        let path = cgroup.path.clone();
        let classified = classify(&path, runtimes);
        if !classified.kind.is_container() {
            return Vec::new();
        }
        let root = self.by_path.get(classified.root).copied().unwrap_or(id);
        let below = format!("{}/", classified.root);
        let since = self.resolve(id).map_or(BootTime::from_nanos(0), |workload| workload.since);
        let (workload, _, record) = self.placed(id, &path, classified, since);
        let follows =
            |(other, cgroup): &(&CgroupId, &mut Cgroup)| **other == root || cgroup.path.starts_with(&below);
        let mut ids = Vec::new();
        for (id, cgroup) in self.cgroups.iter_mut().filter(follows) {
            cgroup.workload = workload;
            cgroup.provisional = false;
            ids.push(*id);
        }
        ids.sort_unstable();
        ids.into_iter().map(|id| self.change(id, record.clone().filter(|_| id == root))).collect()
    }

    /// Takes a provisional cgroup for what it seems to be.
    pub fn settle(&mut self, id: CgroupId) {
        if let Some(cgroup) = self.cgroups.get_mut(&id) {
            cgroup.provisional = false;
        }
    }

    /// Whether a cgroup may yet turn out to be a container.
    pub fn is_provisional(&self, id: CgroupId) -> bool {
        self.cgroups.get(&id).is_some_and(|cgroup| cgroup.provisional && cgroup.removed.is_none())
    }

    /// A cgroup was removed. The workload, if that was its root.
    pub fn removed(&mut self, id: CgroupId, time: BootTime) -> Option<Workload> {
        let cgroup = self.cgroups.get_mut(&id).filter(|cgroup| cgroup.removed.is_none())?;
        cgroup.removed = Some(time);
        let (path, workload) = (cgroup.path.clone(), cgroup.workload);
        if self.by_path.get(&path) == Some(&id) {
            self.by_path.remove(&path);
        }
        self.removed.push_back((time, id));
        let ended = self.workloads.get_mut(&workload).filter(|workload| workload.cgroup == id)?;
        ended.until = Some(time);
        Some(ended.clone())
    }

    /// A source has told names. The workloads that changed by it; names of a container that has no cgroup yet are
    /// kept for it.
    pub fn named(&mut self, names: &ContainerNames, now: BootTime) -> Vec<Workload> {
        let known = self.by_container.get(&names.container_id).and_then(|id| self.workloads.get_mut(id));
        if let Some(workload) = known {
            return if names.apply(workload) { vec![workload.clone()] } else { Vec::new() };
        }
        if !self.early.iter().any(|(_, other)| other == names) {
            self.early.push_back((now, names.clone()));
        }
        if self.early.len() > self.limits.early_names {
            self.early.pop_front();
            self.counters.names_dropped += 1;
        }
        Vec::new()
    }

    /// The workload of a cgroup, also of one that was removed a short while ago.
    pub fn resolve(&self, cgroup: CgroupId) -> Option<&Workload> {
        self.workloads.get(&self.cgroups.get(&cgroup)?.workload)
    }

    /// A workload by its id.
    pub fn get(&self, id: WorkloadId) -> Option<&Workload> {
        self.workloads.get(&id)
    }

    /// Every workload, the ended ones that are still remembered included.
    pub fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values()
    }

    /// A cgroup's path below the v2 root.
    pub fn path(&self, cgroup: CgroupId) -> Option<&str> {
        self.cgroups.get(&cgroup).map(|cgroup| &*cgroup.path)
    }

    /// The cgroup that exists at a path now.
    pub fn at(&self, path: &str) -> Option<CgroupId> {
        self.by_path.get(path).copied()
    }

    /// Forgets what is too old. Returns the cgroups that are no longer known, so that the kernel's tombstones go too.
    pub fn prune(&mut self, now: BootTime) -> Vec<CgroupId> {
        while self.early.front().is_some_and(|(since, _)| now.since(*since) > self.limits.early_names_age) {
            self.early.pop_front();
        }
        let mut forgotten = Vec::new();
        while let Some((time, id)) = self.removed.front().copied() {
            let too_old = now.since(time) > self.limits.tombstone_age;
            let too_many = self.removed.len() > self.limits.tombstones;
            if !too_old && !too_many {
                break;
            }
            self.counters.tombstones_dropped += u64::from(!too_old);
            self.removed.pop_front();
            self.forget(id);
            forgotten.push(id);
        }
        forgotten
    }

    /// What bounds and gaps have cost.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What is made in a container is the container's, whatever its name.
    fn inherited(&self, parent: CgroupId) -> Option<WorkloadId> {
        self.resolve(parent).filter(|workload| workload.kind.is_container()).map(|workload| workload.id)
    }

    /// The workload that a classified cgroup belongs to, whether that is provisional, and the workload itself if it
    /// is new or was taken for something else.
    fn placed(
        &mut self,
        id: CgroupId,
        path: &str,
        classified: Classified<'_>,
        time: BootTime,
    ) -> (WorkloadId, bool, Option<Workload>) {
        let Classified { root, kind, provisional } = classified;
        let (cgroup, workload) = match kind {
            WorkloadKind::Host => (CgroupId(WorkloadId::HOST.0), WorkloadId::HOST),
            _ if root == path => (id, WorkloadId::rooted_at(id)),
            _ => match self.by_path.get(root) {
                Some(root) => (*root, WorkloadId::rooted_at(*root)),
                None => {
                    self.counters.rootless += 1;
                    return (WorkloadId::UNKNOWN, true, None);
                }
            },
        };
        let before = self.workloads.get(&workload);
        if before.is_some_and(|before| before.kind == kind || before.kind.is_container()) {
            return (workload, provisional, None);
        }
        let mut record = Workload {
            id: workload,
            cgroup,
            cgroup_path: root.to_owned(),
            kind,
            namespace: None,
            pod: None,
            container: None,
            sandbox: false,
            labels: BTreeMap::new(),
            image: None,
            credential_variables: Vec::new(),
            since: before.map_or(time, |before| before.since),
            until: before.and_then(|before| before.until),
        };
        if let Some(container) = record.kind.container_id().cloned() {
            self.early.retain(|(_, names)| {
                let own = names.container_id == container;
                if own {
                    names.apply(&mut record);
                }
                !own
            });
            self.by_container.insert(container, workload);
        }
        self.workloads.insert(workload, record.clone());
        (workload, provisional, Some(record))
    }

    fn change(&self, cgroup: CgroupId, record: Option<Workload>) -> WorkloadChange {
        let known = self.cgroups.get(&cgroup);
        let workload = known.map_or(WorkloadId::UNKNOWN, |known| known.workload);
        WorkloadChange {
            cgroup,
            workload,
            container: self.workloads.get(&workload).is_some_and(|workload| workload.kind.is_container()),
            provisional: known.is_some_and(|known| known.provisional),
            record,
        }
    }

    fn forget(&mut self, id: CgroupId) {
        self.cgroups.remove(&id);
        let workload = WorkloadId::rooted_at(id);
        if workload == WorkloadId::HOST {
            return;
        }
        let ended = self.workloads.remove(&workload);
        if let Some(container) = ended.as_ref().and_then(|ended| ended.kind.container_id())
            && self.by_container.get(container) == Some(&workload)
        {
            self.by_container.remove(container);
        }
    }
}

#[cfg(test)]
mod tests;
