//! What workloads have done so far, by their stable names: who reads which secret, and where they speak to.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use cofferdam_model::{
    Access, BootTime, Clock, Connection, Executable, Process, SecretRef, Verdict, WallTime, Workload,
    WorkloadId,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::facts::Before;
use crate::stable::{stable_name, stable_secret};

/// Different things that one workload is known to do at most: one that does more is never learnt.
const HABITS_MAX: usize = 4_096;
/// Workloads at most: for another one the habits of the one that did nothing for longest are forgotten.
const WORKLOADS_MAX: usize = 4_096;
/// Instances whose names are kept at once; beyond it they are looked up anew.
const INSTANCES_MAX: usize = 16_384;

/// What is usual on a node. Of what was done only keyed hashes are kept: nobody can choose a program's name so that it
/// is taken for another.
#[derive(Debug)]
pub struct Baseline {
    learning: Duration,
    /// What was before is being read: until then nobody is learnt.
    waits: bool,
    hasher: RandomState,
    names: FxHashMap<String, usize>,
    instances: FxHashMap<WorkloadId, usize>,
    habits: Vec<Habits>,
    /// Workloads whose habits were forgotten.
    forgotten: u64,
}

/// Times are nanoseconds since boot; less than none in an earlier boot.
#[derive(Debug)]
struct Habits {
    name: String,
    since: i64,
    latest: i64,
    done: FxHashSet<u64>,
    is_full: bool,
}

/// Something that a workload does.
#[derive(Debug, Clone, Copy)]
pub enum Habit<'h> {
    /// It runs.
    Runs,
    /// A program of it reads a secret.
    Reads(&'h SecretRef, &'h Executable),
    /// It speaks to an address and port.
    Speaks(IpAddr, u16),
}

impl Baseline {
    /// Nothing is known; what is usual for a workload is known this long after it was first seen.
    pub fn new(learning: Duration) -> Self {
        Self {
            learning,
            waits: false,
            hasher: RandomState::new(),
            names: FxHashMap::default(),
            instances: FxHashMap::default(),
            habits: Vec::new(),
            forgotten: 0,
        }
    }

    /// An empty one, to be filled with the past and then given to [`Self::recall`]; until then nobody is learnt.
    pub(crate) fn await_past(&mut self) -> Self {
        self.waits = true;
        Self { hasher: self.hasher.clone(), ..Self::new(self.learning) }
    }

    /// A workload has done this, not later than then.
    pub fn remember(&mut self, workload: &Workload, habit: Habit<'_>, then: WallTime, clock: &Clock) {
        let since = then.as_nanos().saturating_sub(clock.booted.as_nanos());
        let done = self.hash(habit);
        let Some(name) = stable_name(workload) else { return };
        let number = self.of_name(name, since);
        let habits = &mut self.habits[number];
        done.map(|done| habits.add(done));
    }

    /// Takes what was before.
    pub(crate) fn recall(&mut self, past: Self) {
        self.waits = false;
        self.forgotten += past.forgotten;
        for before in past.habits {
            let number = self.of_name(before.name, before.since);
            let habits = &mut self.habits[number];
            habits.latest = habits.latest.max(before.latest);
            habits.is_full |= before.is_full;
            for done in before.done {
                habits.add(done);
            }
        }
    }

    /// A workload appeared, or is called otherwise: from its appearance on its habits are learnt.
    pub(crate) fn appeared(&mut self, workload: &Workload) {
        self.instances.remove(&workload.id);
        self.of_instance(workload, workload.since.as_nanos().cast_signed());
    }

    /// The clock begins anew, and so do numbers of workloads.
    pub(crate) fn next_boot(&mut self, later_by: Duration) {
        let nanos = i64::try_from(later_by.as_nanos()).unwrap_or(i64::MAX);
        self.instances.clear();
        for habits in &mut self.habits {
            habits.since = habits.since.saturating_sub(nanos);
            habits.latest = habits.latest.saturating_sub(nanos);
        }
    }

    /// Whether a read is usual; it is from now on.
    pub(crate) fn read(
        &mut self,
        access: &Access,
        workload: Option<&Workload>,
        program: Option<&Process>,
    ) -> Before {
        let done = program.and_then(|program| self.hash(Habit::Reads(&access.secret, &program.executable)));
        let (before, reader) = self.did(workload, access.first, done, access.verdict);
        Before { reader, ..before }
    }

    /// Whether a destination is usual; it is from now on.
    pub(crate) fn connected(&mut self, made: &Connection, workload: Option<&Workload>) -> Before {
        let done = made.destination.and_then(|address| self.hash(Habit::Speaks(address, made.port)));
        let (before, destination) = self.did(workload, made.first, done, made.verdict);
        Before { destination, ..before }
    }

    /// What is usual for any other event of the workload.
    pub(crate) fn of(&mut self, workload: Option<&Workload>, at: BootTime) -> Before {
        self.did(workload, at, None, Verdict::Denied).0
    }

    /// Workloads whose habits were forgotten, because there was no room.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many things are known.
    pub(crate) fn size(&self) -> usize {
        let done: usize = self.habits.iter().map(|it| it.done.len()).sum();
        done + self.names.len() + self.instances.len()
    }

    fn did(
        &mut self,
        workload: Option<&Workload>,
        at: BootTime,
        done: Option<u64>,
        verdict: Verdict,
    ) -> (Before, Option<bool>) {
        let at = at.as_nanos().cast_signed();
        let Some(number) = workload.and_then(|workload| self.of_instance(workload, at)) else {
            return (Before::default(), None);
        };
        let habits = &mut self.habits[number];
        habits.latest = habits.latest.max(at);
        let known_for = Duration::from_nanos(at.saturating_sub(habits.since).max(0).cast_unsigned());
        let learnt = known_for >= self.learning && !habits.is_full;
        let known = done.map(|done| match verdict {
            // What was refused is not a habit.
            Verdict::Denied => habits.done.contains(&done),
            Verdict::Allowed | Verdict::WouldDeny => habits.add(done),
        });
        (Before { learnt: (!self.waits).then_some(learnt), ..Before::default() }, known)
    }

    fn of_instance(&mut self, workload: &Workload, at: i64) -> Option<usize> {
        if let Some(number) = self.instances.get(&workload.id) {
            return Some(*number);
        }
        let number = self.of_name(stable_name(workload)?, at);
        if self.instances.len() >= INSTANCES_MAX {
            self.instances.clear();
        }
        self.instances.insert(workload.id, number);
        Some(number)
    }

    /// The habits of a workload that was there at some time.
    fn of_name(&mut self, name: String, at: i64) -> usize {
        if let Some(number) = self.names.get(&name) {
            let habits = &mut self.habits[*number];
            habits.since = habits.since.min(at);
            return *number;
        }
        let habits =
            Habits { name: name.clone(), since: at, latest: at, done: FxHashSet::default(), is_full: false };
        let number = if self.habits.len() < WORKLOADS_MAX {
            self.habits.push(habits);
            self.habits.len() - 1
        } else {
            let idle = self.habits.iter().enumerate().min_by_key(|(_, it)| it.latest);
            let number = idle.map_or(0, |(number, _)| number);
            let before = std::mem::replace(&mut self.habits[number], habits);
            self.names.remove(&before.name);
            self.instances.retain(|_, of| *of != number);
            self.forgotten += 1;
            number
        };
        self.names.insert(name, number);
        number
    }

    /// A program is the same wherever its file lies by number: an image's new version is no other reader.
    fn hash(&self, habit: Habit<'_>) -> Option<u64> {
        Some(match habit {
            Habit::Runs => return None,
            Habit::Reads(secret, by) => {
                let by = (by.origin, by.path.as_deref()?, by.interpreter.as_deref());
                self.hasher.hash_one((secret.kind, stable_secret(secret), secret.key.as_deref(), by))
            }
            Habit::Speaks(address, port) => self.hasher.hash_one((address, port)),
        })
    }
}

impl Habits {
    /// Whether it has been done before; it has from now on.
    fn add(&mut self, done: u64) -> bool {
        if self.done.contains(&done) {
            return true;
        }
        if self.done.len() < HABITS_MAX {
            self.done.insert(done);
        } else {
            self.is_full = true;
        }
        false
    }
}
