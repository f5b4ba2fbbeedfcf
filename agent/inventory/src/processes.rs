//! Processes and the programs that they run, as far as evidence needs them.
//!
//! Pure: fed from events, asked by later ones. A program begins at an exec, a fork or the agent's start and is known
//! by that event's id. An exec goes to the journal at once; forks and adopted processes only when something refers
//! to them, so that a busy shell does not fill the journal.

mod taint;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cofferdam_model::{BootTime, EventId, Process, ProcessKey};

use taint::Taint;
pub use taint::{TAINTS_MAX, TOUCHES_MAX};

/// Bounds of the table.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Programs that run; further ones are journalled but not remembered.
    pub running: usize,
    /// Programs that have ended and are remembered.
    pub ended: usize,
    /// How long they are remembered.
    pub ended_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { running: 32_768, ended: 8_192, ended_age: Duration::from_mins(2) }
    }
}

/// What the bounds have cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Programs that were not remembered because too many run.
    pub running_dropped: u64,
    /// Ended programs that were forgotten before their age because there were too many.
    pub ended_dropped: u64,
    /// Touches of secrets beyond [`TOUCHES_MAX`] of one program.
    pub touches_dropped: u64,
    /// Touches of programs that are not remembered.
    pub touches_unknown: u64,
}

/// How a program began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// By an exec, in a process that ran `previous` before.
    Exec {
        /// The program that it replaced, if known.
        previous: Option<EventId>,
    },
    /// By a fork of `parent_exec`; it runs what its parent runs.
    Fork,
    /// Before the agent.
    Adopted,
}

#[derive(Debug)]
struct Program {
    process: Process,
    origin: Option<EventId>,
    journalled: bool,
    ended: Option<BootTime>,
    taint: Taint,
}

/// Levels of the process tree that one question climbs.
const CLIMB_MAX: usize = 256;

/// The table.
#[derive(Debug, Default)]
pub struct Processes {
    limits: Limits,
    programs: HashMap<EventId, Program>,
    current: HashMap<u32, EventId>,
    ended: VecDeque<(BootTime, EventId)>,
    counters: Counters,
}

impl Processes {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A program began. Returns what is to be journalled now, parents first: for an exec the program itself, with
    /// forks on the way to it that were not journalled yet; for forks and adopted processes nothing.
    pub fn began(&mut self, mut process: Process, beginning: Beginning) -> Vec<Process> {
        let exec = process.exec;
        if self.programs.contains_key(&exec) {
            return Vec::new();
        }
        let origin = match beginning {
            Beginning::Exec { previous } => self.replaced(&mut process, previous),
            Beginning::Fork => {
                self.inherit_executable(&mut process);
                process.parent_exec
            }
            Beginning::Adopted => None,
        };
        self.end_current_of(process.key, process.began);
        let at_once = matches!(beginning, Beginning::Exec { .. });
        let mut records = Vec::new();
        if at_once {
            records = process.parent_exec.map(|parent| self.unjournalled(parent)).unwrap_or_default();
            records.push(process.clone());
        }
        self.remember(process, origin, at_once);
        records
    }

    /// An event refers to this program, with what the event itself says of it in case it is not known (its beginning
    /// was lost, or the table is full). Returns what is to be journalled before the event, parents first.
    pub fn referenced(&mut self, process: &Process) -> Vec<Process> {
        if self.programs.contains_key(&process.exec) {
            return self.unjournalled(process.exec);
        }
        let mut records = process.parent_exec.map(|parent| self.unjournalled(parent)).unwrap_or_default();
        records.push(process.clone());
        self.remember(process.clone(), process.parent_exec, true);
        records
    }

    /// Every program that the journal was told of and that is remembered, in the order of their beginnings: for a
    /// journal that has begun anew.
    pub fn told(&self) -> Vec<Process> {
        let told = self.programs.values().filter(|program| program.journalled);
        let mut told: Vec<Process> = told.map(|program| program.process.clone()).collect();
        told.sort_by_key(|process| process.exec);
        told
    }

    /// A process ended. Whether that is to be journalled: only if its program was.
    pub fn exited(&mut self, key: ProcessKey, exec: EventId, at: BootTime) -> bool {
        if self.current.get(&key.pid) == Some(&exec) {
            self.current.remove(&key.pid);
        }
        self.end(exec, at);
        self.programs.get(&exec).is_some_and(|program| program.journalled)
    }

    /// A program, by the event that began it.
    pub fn get(&self, exec: EventId) -> Option<&Process> {
        self.programs.get(&exec).map(|program| &program.process)
    }

    /// What a process runs now.
    pub fn current(&self, pid: u32) -> Option<&Process> {
        self.get(*self.current.get(&pid)?)
    }

    /// What every process that runs runs now.
    pub fn running(&self) -> impl Iterator<Item = &Process> {
        self.current.values().filter_map(|exec| self.get(*exec))
    }

    /// A program touched a secret (display name with key).
    pub fn touched(&mut self, exec: EventId, secret: &str, at: BootTime) {
        match self.programs.get_mut(&exec) {
            Some(program) => {
                if !program.taint.touched(secret, at) {
                    self.counters.touches_dropped += 1;
                }
            }
            None => self.counters.touches_unknown += 1,
        }
    }

    /// The secrets that a program touched, that ran before it in its process touched, or that an ancestor had
    /// touched before it forked. Each once, in the order of the tree, at most [`TAINTS_MAX`].
    pub fn tainted_by(&self, exec: EventId) -> Vec<String> {
        let mut secrets = taint::Collector::default();
        let mut next = self.programs.get(&exec);
        let workload = next.map(|program| program.process.workload);
        let mut until = None;
        for _ in 0..CLIMB_MAX {
            // Who came from another workload (the runtime) begins a new life: what the host touched is not the container's.
            let Some(program) = next.filter(|program| Some(program.process.workload) == workload) else {
                break;
            };
            program.taint.tell(until, &mut secrets);
            // What an ancestor touched after the fork is not in the child's memory. Events may come out of order,
            // so times decide and not what was known when the fork was reported.
            let began = program.process.began;
            until = Some(until.map_or(began, |until: BootTime| until.min(began)));
            next = program.origin.and_then(|origin| self.programs.get(&origin));
        }
        secrets.finish()
    }

    /// Forgets programs that ended too long ago.
    pub fn prune(&mut self, now: BootTime) {
        while let Some((time, exec)) = self.ended.front().copied() {
            let too_old = now.since(time) > self.limits.ended_age;
            if !too_old && self.ended.len() <= self.limits.ended {
                break;
            }
            self.counters.ended_dropped += u64::from(!too_old);
            self.ended.pop_front();
            self.programs.remove(&exec);
        }
    }

    /// What the bounds have cost.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// For an exec: which program it replaced, and who its parent is, which an exec does not change.
    fn replaced(&self, process: &mut Process, previous: Option<EventId>) -> Option<EventId> {
        let current =
            || self.current(process.key.pid).filter(|now| now.key == process.key).map(|now| now.exec);
        let previous = previous.filter(|exec| self.programs.contains_key(exec)).or_else(current);
        if let Some(before) = previous.and_then(|exec| self.get(exec)) {
            process.parent = process.parent.or(before.parent);
            process.parent_exec = process.parent_exec.or(before.parent_exec);
        }
        previous
    }

    /// A fork runs its parent's program; the kernel reports its file but not its path.
    fn inherit_executable(&self, process: &mut Process) {
        let Some(parent) = process.parent_exec.and_then(|exec| self.get(exec)) else { return };
        let (own, inherited) = (&mut process.executable, &parent.executable);
        if own.path.is_none() && (own.inode.is_none() || own.inode == inherited.inode) {
            *own = inherited.clone();
        }
    }

    fn end_current_of(&mut self, key: ProcessKey, at: BootTime) {
        if let Some(before) = self.current.remove(&key.pid) {
            self.end(before, at);
        }
    }

    fn end(&mut self, exec: EventId, at: BootTime) {
        if let Some(program) = self.programs.get_mut(&exec).filter(|program| program.ended.is_none()) {
            program.ended = Some(at);
            self.ended.push_back((at, exec));
        }
        if self.ended.len() > self.limits.ended {
            self.prune(at);
        }
    }

    fn remember(&mut self, process: Process, origin: Option<EventId>, journalled: bool) {
        if self.programs.len() - self.ended.len() >= self.limits.running {
            self.counters.running_dropped += 1;
            return;
        }
        let exec = process.exec;
        let before = origin.and_then(|origin| self.programs.get(&origin));
        // Who comes in from another workload begins a new life.
        let taint = match before.filter(|before| before.process.workload == process.workload) {
            Some(before) => before.taint.inherited(process.began),
            None => Taint::default(),
        };
        self.current.insert(process.key.pid, exec);
        self.programs.insert(exec, Program { process, origin, journalled, ended: None, taint });
    }

    /// This program and its ancestors as far as they are not journalled, parents first; they are from now on.
    fn unjournalled(&mut self, exec: EventId) -> Vec<Process> {
        let mut records = Vec::new();
        let mut next = Some(exec);
        while let Some(program) = next.and_then(|exec| self.programs.get_mut(&exec)) {
            if program.journalled || records.len() == CLIMB_MAX {
                break;
            }
            program.journalled = true;
            records.push(program.process.clone());
            next = program.process.parent_exec;
        }
        records.reverse();
        records
    }
}

#[cfg(test)]
mod tests;
