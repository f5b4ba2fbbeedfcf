//! Who is who, as the records tell it: workloads, programs, and the trees that processes form.

use std::collections::VecDeque;
use std::time::Duration;

use cofferdam_model::{BootTime, EventId, Process, ProcessKey, Workload, WorkloadId};
use rustc_hash::FxHashMap;

/// How long what has ended is remembered: events of it may come later.
const GRACE: Duration = Duration::from_secs(60);

/// What is known of a node. Bounded: what is forgotten before its time is counted.
#[derive(Debug)]
pub struct World {
    programs: FxHashMap<EventId, Process>,
    /// Of each process, the program with which its tree came into the workload.
    trees: FxHashMap<ProcessKey, EventId>,
    workloads: FxHashMap<WorkloadId, Workload>,
    /// What has ended, oldest first.
    ended: VecDeque<(BootTime, Ended)>,
    programs_max: usize,
    forgotten: u64,
}

#[derive(Debug, Clone, Copy)]
enum Ended {
    Program(EventId),
    Process(ProcessKey),
    Workload(WorkloadId),
}

impl World {
    /// Nothing is known yet; so many programs at once at most.
    pub fn new(programs_max: usize) -> Self {
        Self {
            programs: FxHashMap::default(),
            trees: FxHashMap::default(),
            workloads: FxHashMap::default(),
            ended: VecDeque::new(),
            programs_max,
            forgotten: 0,
        }
    }

    /// A workload appeared, was named or ended.
    pub fn workload(&mut self, workload: &Workload) {
        if let Some(until) = workload.until {
            self.ended.push_back((until, Ended::Workload(workload.id)));
        }
        self.workloads.insert(workload.id, workload.clone());
    }

    /// A process began a program.
    pub fn began(&mut self, program: &Process) {
        let tree = self.trees.get(&program.key).copied().unwrap_or_else(|| self.tree_of_child(program));
        self.trees.insert(program.key, tree);
        self.programs.insert(program.exec, program.clone());
        if self.programs.len() > self.programs_max {
            self.forget_one();
        }
    }

    /// Whoever comes into a workload from elsewhere begins a tree; so does an exec session.
    fn tree_of_child(&self, child: &Process) -> EventId {
        let parent = child.parent_exec.and_then(|exec| self.programs.get(&exec));
        parent
            .filter(|it| {
                it.workload == child.workload && it.exec_session == child.exec_session && !it.runtime
            })
            .and_then(|it| self.trees.get(&it.key).copied())
            .unwrap_or(child.exec)
    }

    /// A process ended.
    pub fn exited(&mut self, process: ProcessKey, exec: EventId, at: BootTime) {
        self.ended.push_back((at, Ended::Program(exec)));
        self.ended.push_back((at, Ended::Process(process)));
    }

    /// Forgets what ended long enough ago.
    pub fn prune(&mut self, now: BootTime) {
        while self.ended.front().is_some_and(|(at, _)| now.since(*at) > GRACE) {
            self.forget_ended();
        }
    }

    fn forget_ended(&mut self) -> bool {
        match self.ended.pop_front() {
            Some((_, Ended::Program(exec))) => drop(self.programs.remove(&exec)),
            Some((_, Ended::Process(key))) => drop(self.trees.remove(&key)),
            Some((_, Ended::Workload(id))) => {
                // It may have come again under its number.
                if self.workloads.get(&id).is_some_and(|it| it.until.is_some()) {
                    self.workloads.remove(&id);
                }
            }
            None => return false,
        }
        true
    }

    fn forget_one(&mut self) {
        self.forgotten += 1;
        while self.programs.len() > self.programs_max {
            if !self.forget_ended() {
                // All of them run: any is as good as another.
                let Some(any) = self.programs.keys().next().copied() else { return };
                self.programs.remove(&any);
            }
        }
    }

    /// A program, if it is known.
    pub fn program(&self, exec: EventId) -> Option<&Process> {
        self.programs.get(&exec)
    }

    /// The tree of a process, by the program that it began with.
    pub fn tree(&self, process: ProcessKey) -> Option<EventId> {
        self.trees.get(&process).copied()
    }

    /// A workload, if it is known.
    pub fn workload_of(&self, id: WorkloadId) -> Option<&Workload> {
        self.workloads.get(&id)
    }

    /// How many programs were forgotten before their time.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
