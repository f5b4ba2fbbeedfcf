//! Who is whose child, and what happened under whom.

use std::collections::{BTreeMap, HashMap};

use cofferdam_api::Timeline;
use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, ConnectionRow, DetectionRow, LossRow, ProcessRow, WallTime,
};

/// A process, by its id and birth. The birth is unknown where only what it did told of it.
type Key = (u32, Option<WallTime>);

/// What one workload did.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// Stable name, if known.
    pub(super) workload: Option<&'a str>,
    /// Every process; children name it by its index here.
    pub(super) processes: Vec<Process<'a>>,
    /// What stands at the top, in time order.
    pub(super) top: Vec<Happening<'a>>,
}

/// A process and what it did.
#[derive(Debug)]
pub(super) struct Process<'a> {
    /// What it was first seen running.
    pub(super) head: Head<'a>,
    /// What happened under it, in time order.
    pub(super) happenings: Vec<Happening<'a>>,
    /// Its parent's index.
    pub(super) parent: Option<usize>,
    /// The container's runtime on its way into the container, and nothing else: not drawn.
    pub(super) left_out: bool,
    key: Key,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head<'a> {
    /// Its program.
    Program(&'a ProcessRow),
    /// Only an access tells of it.
    Access(&'a AccessRow),
    /// Only a connection tells of it.
    Connection(&'a ConnectionRow),
    /// Only an attempt tells of it.
    Attempt(&'a AttemptRow),
}

/// One thing under a process, or at the top.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happening<'a> {
    /// The same process went on with another program.
    Exec(&'a ProcessRow),
    /// A secret was touched.
    Access(&'a AccessRow),
    /// A connection was made.
    Connection(&'a ConnectionRow),
    /// Something else was refused, or would have been.
    Attempt(&'a AttemptRow),
    /// Enforcement did something.
    Audit(&'a AuditRow),
    /// A rule has found something.
    Detection(&'a DetectionRow),
    /// A process was born.
    Child(usize, WallTime),
    /// Events were lost.
    Loss(&'a LossRow),
}

impl Happening<'_> {
    /// When.
    pub(super) fn at(&self) -> WallTime {
        match self {
            Self::Exec(row) => row.began,
            Self::Access(row) => row.first,
            Self::Connection(row) => row.first,
            Self::Attempt(row) => row.at,
            Self::Audit(row) => row.at,
            Self::Detection(row) => row.at,
            Self::Child(_, at) => *at,
            Self::Loss(row) => row.since,
        }
    }
}

impl Head<'_> {
    fn at(self) -> WallTime {
        match self {
            Self::Program(row) => row.began,
            Self::Access(row) => row.first,
            Self::Connection(row) => row.first,
            Self::Attempt(row) => row.at,
        }
    }
}

/// A tree for each workload, by name; the unknown one last.
pub(super) fn grow(timeline: &Timeline) -> Vec<Tree<'_>> {
    // Ordered with the unknown last.
    let mut workloads: BTreeMap<(bool, Option<&str>), Material<'_>> = BTreeMap::new();
    for row in &timeline.processes {
        workloads.entry(named(&row.workload)).or_default().processes.push(row);
    }
    for row in &timeline.accesses {
        workloads.entry(named(&row.workload)).or_default().accesses.push(row);
    }
    for row in &timeline.connections {
        workloads.entry(named(&row.workload)).or_default().connections.push(row);
    }
    for row in &timeline.attempts {
        workloads.entry(named(&row.workload)).or_default().attempts.push(row);
    }
    for row in &timeline.audits {
        workloads.entry(named(&row.workload)).or_default().audits.push(row);
    }
    for row in &timeline.detections {
        workloads.entry(named(&row.workload)).or_default().detections.push(row);
    }
    for row in &timeline.losses {
        workloads.entry(named(&row.workload)).or_default().losses.push(row);
    }
    workloads.into_iter().map(|((_, workload), material)| material.grow(workload)).collect()
}

fn named(workload: &Option<String>) -> (bool, Option<&str>) {
    (workload.is_none(), workload.as_deref())
}

#[derive(Default)]
struct Material<'a> {
    processes: Vec<&'a ProcessRow>,
    accesses: Vec<&'a AccessRow>,
    connections: Vec<&'a ConnectionRow>,
    attempts: Vec<&'a AttemptRow>,
    audits: Vec<&'a AuditRow>,
    detections: Vec<&'a DetectionRow>,
    losses: Vec<&'a LossRow>,
}

impl<'a> Material<'a> {
    fn grow(mut self, workload: Option<&'a str>) -> Tree<'a> {
        self.processes.sort_by_key(|row| row.began);
        let mut tree = Tree { workload, processes: Vec::new(), top: Vec::new() };
        let mut index: HashMap<Key, usize> = HashMap::new();
        let mut ids: HashMap<&str, usize> = HashMap::new();

        for row in &self.processes {
            let at = tree.process((row.pid, Some(row.process_start)), Head::Program(row), &mut index);
            ids.insert(&row.id, at);
            if !matches!(tree.processes[at].head, Head::Program(head) if std::ptr::eq(head, *row)) {
                tree.processes[at].happenings.push(Happening::Exec(row));
            }
        }
        for row in self.accesses {
            match row.pid {
                Some(pid) => {
                    let at = tree.process((pid, row.process_start), Head::Access(row), &mut index);
                    tree.processes[at].happenings.push(Happening::Access(row));
                }
                None => tree.top.push(Happening::Access(row)),
            }
        }
        for row in self.connections {
            match row.pid {
                Some(pid) => {
                    let at = tree.process((pid, row.process_start), Head::Connection(row), &mut index);
                    tree.processes[at].happenings.push(Happening::Connection(row));
                }
                None => tree.top.push(Happening::Connection(row)),
            }
        }
        for row in self.attempts {
            match row.pid {
                Some(pid) => {
                    let at = tree.process((pid, row.process_start), Head::Attempt(row), &mut index);
                    tree.processes[at].happenings.push(Happening::Attempt(row));
                }
                None => tree.top.push(Happening::Attempt(row)),
            }
        }
        for row in self.detections {
            // What completed it stands among the others; if it is not in this answer, neither is its process.
            let at = row.pid.and_then(|pid| index.get(&(pid, row.process_start)));
            let under = at.map_or(&mut tree.top, |at| &mut tree.processes[*at].happenings);
            under.push(Happening::Detection(row));
        }
        tree.top.extend(self.audits.into_iter().map(Happening::Audit));
        tree.top.extend(self.losses.into_iter().map(Happening::Loss));
        tree.settle(&self.processes, &ids);
        tree
    }
}

impl<'a> Tree<'a> {
    /// The process's index; new ones are added.
    fn process(&mut self, key: Key, head: Head<'a>, index: &mut HashMap<Key, usize>) -> usize {
        *index.entry(key).or_insert_with(|| {
            self.processes.push(Process { head, happenings: Vec::new(), parent: None, left_out: false, key });
            self.processes.len() - 1
        })
    }

    /// Finds the parents, forgets forks that did nothing before their exec, and puts everything in time order.
    fn settle(&mut self, rows: &[&'a ProcessRow], ids: &HashMap<&str, usize>) {
        let mut by_pid: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, process) in self.processes.iter().enumerate() {
            by_pid.entry(process.key.0).or_default().push(at);
        }
        for row in rows {
            let Some(&child) = ids.get(row.id.as_str()) else { continue };
            if self.processes[child].parent.is_none() {
                let named = row.parent.as_deref().and_then(|parent| ids.get(parent)).copied();
                self.processes[child].parent = named.filter(|parent| self.may_be_parent(*parent, child));
            }
        }
        for child in 0..self.processes.len() {
            if self.processes[child].parent.is_none() {
                self.processes[child].parent = self.parent_by_pid(child, &by_pid);
            }
        }
        for process in &mut self.processes {
            process.happenings.sort_by_key(Happening::at);
        }
        self.leave_the_runtime_out();
        for child in 0..self.processes.len() {
            if self.processes[child].left_out {
                continue;
            }
            let at = self.processes[child].head.at();
            self.processes[child].parent = self.drawn_parent(child);
            match self.processes[child].parent {
                Some(parent) => self.processes[parent].happenings.push(Happening::Child(child, at)),
                None => self.top.push(Happening::Child(child, at)),
            }
        }
        for process in &mut self.processes {
            process.happenings.sort_by_key(Happening::at);
            process.forget_idle_fork();
        }
        self.top.sort_by_key(Happening::at);
    }

    /// What a runtime does before the container's own program begins is the same for every container. It is drawn
    /// only where there is nothing else.
    fn leave_the_runtime_out(&mut self) {
        self.processes.iter_mut().for_each(Process::begin_with_the_container);
        if self.processes.iter().any(|process| !process.is_runtime_alone()) {
            for process in &mut self.processes {
                process.left_out = process.is_runtime_alone();
            }
        }
    }

    /// The nearest ancestor that is drawn.
    fn drawn_parent(&self, child: usize) -> Option<usize> {
        let mut parent = self.processes[child].parent;
        // Parents are older than their children, so this ends.
        while let Some(at) = parent.filter(|&at| self.processes[at].left_out) {
            parent = self.processes[at].parent;
        }
        parent
    }

    /// A parent is older than its child; that also rules out circles, whatever the rows say.
    fn may_be_parent(&self, parent: usize, child: usize) -> bool {
        let age = |at: usize| (self.processes[at].key.1, self.processes[at].key.0);
        let ((Some(older), _), (Some(younger), _)) = (age(parent), age(child)) else { return false };
        parent != child && (older, self.processes[parent].key.0) < (younger, self.processes[child].key.0)
    }

    fn parent_by_pid(&self, child: usize, by_pid: &HashMap<u32, Vec<usize>>) -> Option<usize> {
        let ppid = match self.processes[child].head {
            Head::Program(row) => row.ppid,
            Head::Access(row) => row.ppid,
            Head::Connection(row) => row.ppid,
            Head::Attempt(row) => row.ppid,
        }?;
        let candidates = by_pid.get(&ppid)?.iter().copied();
        // Ids are reused: the latest that is older than the child.
        candidates
            .filter(|&parent| self.may_be_parent(parent, child))
            .max_by_key(|&parent| self.processes[parent].key.1)
    }
}

impl<'a> Process<'a> {
    /// From the runtime's process that became the container's program on, unless it did something of note before.
    fn begin_with_the_container(&mut self) {
        let of_runtime = |happening: &Happening<'_>| matches!(happening, Happening::Exec(row) if row.runtime);
        if !matches!(self.head, Head::Program(row) if row.runtime) {
            return;
        }
        let before = self.happenings.iter().take_while(|happening| of_runtime(happening)).count();
        if let Some(Happening::Exec(row)) = self.happenings.get(before).copied() {
            self.head = Head::Program(row);
            self.happenings.drain(..=before);
        }
    }

    /// Whether it is the runtime's and did nothing of note. To be asked before children are among the happenings.
    fn is_runtime_alone(&self) -> bool {
        matches!(self.head, Head::Program(row) if row.runtime)
            && self
                .happenings
                .iter()
                .all(|happening| matches!(happening, Happening::Exec(row) if row.runtime))
    }

    /// A fork that execs at once is one event to its reader.
    fn forget_idle_fork(&mut self) {
        let Head::Program(fork) = self.head else { return };
        if fork.began != fork.process_start || fork.adopted {
            return;
        }
        if let Some(Happening::Exec(exec)) = self.happenings.first().copied() {
            self.head = Head::Program(exec);
            self.happenings.remove(0);
        }
    }

    /// When it ended, if it is known to have.
    pub(super) fn ended(&self) -> Option<WallTime> {
        let later = self.happenings.iter().rev().find_map(|happening| match happening {
            Happening::Exec(row) => Some(row.ended),
            _ => None,
        });
        match (later, self.head) {
            (Some(ended), _) => ended,
            (None, Head::Program(row)) => row.ended,
            (None, _) => None,
        }
    }

    /// When it was born, or first heard of.
    pub(super) fn born(&self) -> WallTime {
        self.key.1.unwrap_or_else(|| self.head.at())
    }
}
