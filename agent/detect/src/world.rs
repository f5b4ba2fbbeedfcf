//! Who is who, as the records tell it: workloads, programs, and the trees that processes form.

use std::collections::VecDeque;
use std::time::Duration;

use cofferdam_model::{BootTime, EventId, Process, ProcessKey, Workload, WorkloadId};
use rustc_hash::FxHashMap;

/// How long what has ended is remembered: events of it may come later.
const GRACE: Duration = Duration::from_secs(60);
/// Workloads that are known at once at most; the kernel's table has room for as many.
const WORKLOADS_MAX: usize = 16_384;

/// What is known of a node. Bounded: what is forgotten before its time is counted.
#[derive(Debug)]
pub struct World {
    programs: FxHashMap<EventId, Process>,
    processes: FxHashMap<ProcessKey, Running>,
    workloads: FxHashMap<WorkloadId, Workload>,
    /// What has ended, oldest first.
    ended: VecDeque<(BootTime, Ended)>,
    programs_max: usize,
    forgotten: u64,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy)]
struct Running {
    /// The program with which its tree came into the workload.
    tree: EventId,
    /// Its program now.
    program: EventId,
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
            processes: FxHashMap::default(),
            workloads: FxHashMap::default(),
            ended: VecDeque::new(),
            programs_max,
            forgotten: 0,
        }
    }

    /// A workload appeared, was named or ended.
    pub fn workload(&mut self, workload: &Workload) {
        if let Some(until) = workload.until {
            self.end(until, Ended::Workload(workload.id));
        }
        self.workloads.insert(workload.id, workload.clone());
        while self.workloads.len() > WORKLOADS_MAX {
            let Some(any) = self.workloads.keys().find(|id| **id != workload.id).copied() else { return };
            self.forgotten += 1;
            self.workloads.remove(&any);
        }
    }

    /// A process began a program.
    pub fn began(&mut self, program: &Process) {
        let before = self.processes.get(&program.key).copied();
        let tree = before.map_or_else(|| self.tree_of_child(program), |before| before.tree);
        if let Some(before) = before.filter(|before| before.program != program.exec) {
            self.end(program.began, Ended::Program(before.program));
        }
        self.processes.insert(program.key, Running { tree, program: program.exec });
        self.programs.insert(program.exec, program.clone());
        while self.programs.len() > self.programs_max || self.processes.len() > self.programs_max {
            self.forget_one(program.exec);
        }
    }

    /// Whoever comes into a workload from elsewhere begins a tree; so does an exec session.
    fn tree_of_child(&self, child: &Process) -> EventId {
        let parent = child.parent_exec.and_then(|exec| self.programs.get(&exec));
        parent
            .filter(|it| {
                it.workload == child.workload && it.exec_session == child.exec_session && !it.runtime
            })
            .and_then(|it| self.tree(it.key))
            .unwrap_or(child.exec)
    }

    /// A process ended.
    pub fn exited(&mut self, process: ProcessKey, exec: EventId, at: BootTime) {
        self.end(at, Ended::Program(exec));
        self.end(at, Ended::Process(process));
    }

    /// What has ended is only remembered as long as there is room.
    fn end(&mut self, at: BootTime, ended: Ended) {
        self.ended.push_back((at, ended));
        if self.ended.len() > 4 * self.programs_max {
            self.forget_ended();
        }
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
            Some((_, Ended::Process(key))) => drop(self.processes.remove(&key)),
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

    /// Makes room for the latest.
    fn forget_one(&mut self, latest: EventId) {
        self.forgotten += 1;
        if self.forget_ended() {
            return;
        }
        // All of them run: any other is as good as another.
        match self.processes.iter().find(|(_, it)| it.program != latest).map(|(key, it)| (*key, it.program)) {
            Some((key, program)) => {
                self.processes.remove(&key);
                self.programs.remove(&program);
            }
            None => self.programs.retain(|exec, _| *exec == latest),
        }
    }

    /// How many things are known.
    pub fn size(&self) -> usize {
        self.programs.len() + self.processes.len() + self.workloads.len() + self.ended.len()
    }

    /// A program, if it is known.
    pub fn program(&self, exec: EventId) -> Option<&Process> {
        self.programs.get(&exec)
    }

    /// The tree of a process, by the program that it began with.
    pub fn tree(&self, process: ProcessKey) -> Option<EventId> {
        self.processes.get(&process).map(|it| it.tree)
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
