//! Running counters of accesses and connections: the kernel's tables are the truth, events only tell sooner.
//!
//! A timer reads every counter. What has grown since is recorded again under the same id with its new total, which is
//! harmless to repeat. What never had an event (the ring was full, or the agent was not there) is found here.
//! Counters of programs that have ended are retired once their final total is recorded.

use std::collections::{HashMap, HashSet};

use cofferdam_model::{BootTime, EventId, ProcessKey, WorkloadId};
use cofferdam_sensor::abi::count::Count;
use cofferdam_sensor::abi::event::how;
use cofferdam_sensor::abi::key::{AccessKey, ConnectionKey, InodeKey};

/// Remembered counters that may be gone from the kernel's table before they are looked through.
const STRAYS_MAX: usize = 1_024;

/// A counter's key.
pub trait Key: Copy + Eq + std::hash::Hash {
    /// Its process; `None` for what exceeded a budget and is counted for the whole workload.
    fn process(&self) -> Option<ProcessKey>;
    /// The program that the process ran, if that is known.
    fn program(&self) -> Option<EventId>;
    /// The process that was reached for, where it was one.
    fn target(&self) -> Option<ProcessKey> {
        None
    }
    /// Its workload, as the kernel has it.
    fn workload(&self) -> WorkloadId;
}

impl Key for AccessKey {
    fn process(&self) -> Option<ProcessKey> {
        (self.tgid != 0).then_some(ProcessKey { pid: self.tgid, start: BootTime::from_nanos(self.start) })
    }

    fn program(&self) -> Option<EventId> {
        (self.exec != 0).then_some(EventId(self.exec))
    }

    fn target(&self) -> Option<ProcessKey> {
        let InodeKey { ino: start, generation: pid, .. } = self.object;
        (matches!(self.how, how::ENVIRON | how::PTRACE) && pid != 0)
            .then_some(ProcessKey { pid, start: BootTime::from_nanos(start) })
    }

    fn workload(&self) -> WorkloadId {
        WorkloadId(self.workload)
    }
}

impl Key for ConnectionKey {
    fn process(&self) -> Option<ProcessKey> {
        (self.tgid != 0).then_some(ProcessKey { pid: self.tgid, start: BootTime::from_nanos(self.start) })
    }

    fn program(&self) -> Option<EventId> {
        (self.exec != 0).then_some(EventId(self.exec))
    }

    fn workload(&self) -> WorkloadId {
        WorkloadId(self.workload)
    }
}

/// Who adds to no counter any more.
#[derive(Debug, Default)]
pub struct Ended {
    /// Processes that have ended.
    pub processes: HashSet<ProcessKey>,
    /// Programs that another has taken the place of.
    pub programs: HashSet<EventId>,
    /// Workloads that are forgotten: what they did beyond their budgets is of nobody any more.
    pub workloads: HashSet<WorkloadId>,
}

impl Ended {
    fn holds(&self, key: &impl Key) -> bool {
        let has_ended = |process| self.processes.contains(&process);
        key.process().is_some_and(has_ended)
            || key.target().is_some_and(has_ended)
            || key.program().is_some_and(|program| self.programs.contains(&program))
            || (key.process().is_none() && self.workloads.contains(&key.workload()))
    }
}

/// What is known of a counter.
#[derive(Debug, Clone, Copy)]
struct Told {
    id: EventId,
    total: u64,
}

/// Counters of one table.
#[derive(Debug)]
pub struct Counts<K> {
    told: HashMap<K, Told>,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { told: HashMap::new() }
    }
}

/// What one reading has shown.
#[derive(Debug)]
pub struct Reading<K> {
    /// Counters that have grown, or were not known: to be recorded with these totals.
    pub grown: Vec<(K, EventId, Count)>,
    /// Counters that nobody adds to any more: to be removed from the kernel's table.
    pub ended: Vec<K>,
}

impl<K: Key> Counts<K> {
    /// An event has told of a first occurrence.
    pub fn first(&mut self, key: K, id: EventId) {
        self.told.insert(key, Told { id, total: 1 });
    }

    /// Takes a reading. `ended` is whose end was seen before the table was read.
    pub fn read(&mut self, entries: &[(K, Count)], ended: &Ended) -> Reading<K> {
        let mut reading = Reading { grown: Vec::new(), ended: Vec::new() };
        for (key, count) in entries {
            let id = EventId::new(BootTime::from_nanos(count.first), count.cpu);
            let told = self.told.entry(*key).or_insert(Told { id, total: 0 });
            if count.total > told.total {
                told.total = count.total;
                reading.grown.push((*key, told.id, *count));
            }
            if ended.holds(key) {
                reading.ended.push(*key);
                self.told.remove(key);
            }
        }
        // An event that came after its process's last reading (the rings are two) has no counter any more.
        if self.told.len() > entries.len() + STRAYS_MAX {
            let running: HashSet<K> = entries.iter().map(|(key, _)| *key).collect();
            self.told.retain(|key, _| running.contains(key));
        }
        reading
    }

    /// Lets the next reading tell every counter that still runs, under the id that it had.
    pub fn tell_again(&mut self) {
        self.told.values_mut().for_each(|told| told.total = 0);
    }

    /// Processes that have counters, with the program that each counter is of, and those that were reached for.
    pub fn programs(&self) -> impl Iterator<Item = (ProcessKey, Option<EventId>)> {
        let actors = self.told.keys().filter_map(|key| Some((key.process()?, key.program())));
        actors.chain(self.told.keys().filter_map(|key| Some((key.target()?, None))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tgid: u32) -> AccessKey {
        AccessKey { tgid, start: 5, workload: 9, ..AccessKey::default() }
    }

    fn count(total: u64) -> Count {
        Count { total, first: 100, last: 100 + total, ..Count::default() }
    }

    #[test]
    fn a_counter_is_told_again_only_when_it_has_grown() {
        let mut counts = Counts::default();
        let id = EventId::new(BootTime::from_nanos(100), 0);
        counts.first(key(1), id);
        assert!(counts.read(&[(key(1), count(1))], &Ended::default()).grown.is_empty());
        let grown = counts.read(&[(key(1), count(4))], &Ended::default()).grown;
        assert_eq!((grown.len(), grown[0].1, grown[0].2.total), (1, id, 4));
    }

    #[test]
    fn what_is_to_be_told_again_is_told_whole_and_under_its_id() {
        let mut counts = Counts::default();
        let id = EventId::new(BootTime::from_nanos(99), 3);
        counts.first(key(1), id);
        counts.read(&[(key(1), count(4))], &Ended::default());
        counts.tell_again();
        let grown = counts.read(&[(key(1), count(4))], &Ended::default()).grown;
        assert_eq!((grown.len(), grown[0].1, grown[0].2.total), (1, id, 4));
    }

    #[test]
    fn a_first_that_never_had_an_event_is_found_in_the_table_with_the_id_that_its_event_would_have_had() {
        let mut counts = Counts::default();
        let grown = counts.read(&[(key(1), count(2))], &Ended::default()).grown;
        assert_eq!(grown[0].1, EventId::new(BootTime::from_nanos(100), 0));
    }

    #[test]
    fn a_dead_process_s_counter_is_told_a_last_time_and_retired() {
        let mut counts = Counts::default();
        let processes = HashSet::from([ProcessKey { pid: 1, start: BootTime::from_nanos(5) }]);
        let ended = Ended { processes, ..Ended::default() };
        let reading = counts.read(&[(key(1), count(3)), (key(2), count(1))], &ended);
        assert_eq!((reading.grown.len(), reading.ended.len()), (2, 1));
        assert_eq!(counts.programs().count(), 1);
    }

    /// Whoever looks at every process there is would fill the table otherwise, for as long as it runs.
    #[test]
    fn what_was_reached_for_and_has_ended_has_no_counter_any_more() {
        let mut counts = Counts::default();
        let target = |pid| InodeKey { ino: 70, generation: pid, ..InodeKey::default() };
        let looked = |pid| AccessKey { how: how::PTRACE, object: target(pid), ..key(1) };
        let file = AccessKey { how: how::OPEN, object: target(8), ..key(1) };
        let processes = HashSet::from([ProcessKey { pid: 8, start: BootTime::from_nanos(70) }]);
        let ended = Ended { processes, ..Ended::default() };
        let entries = [(looked(8), count(2)), (looked(9), count(1)), (file, count(1))];
        assert_eq!(counts.read(&entries, &ended).ended, [looked(8)]);
        let asked: HashSet<u32> = counts.programs().map(|(process, _)| process.pid).collect();
        assert_eq!(asked, HashSet::from([1, 9]), "the sweep asks for those that were reached for, too");
    }

    #[test]
    fn a_replaced_program_s_counter_is_retired_while_its_process_runs_on() {
        let mut counts = Counts::default();
        let (before, now) = (AccessKey { exec: 7, ..key(1) }, AccessKey { exec: 8, ..key(1) });
        let ended = Ended { programs: HashSet::from([EventId(7)]), ..Ended::default() };
        assert_eq!(counts.read(&[(before, count(2)), (now, count(1))], &ended).ended, [before]);
    }

    #[test]
    fn a_late_event_of_a_retired_counter_is_not_remembered_for_ever() {
        let mut counts = Counts::default();
        for tgid in 1..=2_000 {
            counts.first(key(tgid), EventId(u64::from(tgid)));
        }
        counts.read(&[(key(1), count(1))], &Ended::default());
        assert_eq!(counts.programs().count(), 1);
    }

    #[test]
    fn what_exceeds_a_budget_belongs_to_no_process_and_is_kept() {
        let mut counts = Counts::default();
        let processes = HashSet::from([ProcessKey { pid: 0, start: BootTime::from_nanos(0) }]);
        let ended = Ended { processes, programs: HashSet::from([EventId(0)]), ..Ended::default() };
        let all = AccessKey { start: 0, ..key(0) };
        assert!(counts.read(&[(all, count(10))], &ended).ended.is_empty());
        let ended = Ended { workloads: HashSet::from([WorkloadId(9)]), ..Ended::default() };
        assert_eq!(counts.read(&[(all, count(10)), (key(1), count(1))], &ended).ended, [all]);
    }
}
