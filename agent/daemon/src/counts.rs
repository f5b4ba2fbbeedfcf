//! Running counters of accesses and connections: the kernel's tables are the truth, events only tell sooner.
//!
//! A timer reads every counter. What has grown since is recorded again under the same id with its new total, which is
//! harmless to repeat. What never had an event (the ring was full, or the agent was not there) is found here.
//! Counters of processes that have ended are retired once their final total is recorded.

use std::collections::{HashMap, HashSet};

use cofferdam_model::{BootTime, EventId, ProcessKey};
use cofferdam_sensor::abi::count::Count;
use cofferdam_sensor::abi::key::{AccessKey, ConnectionKey};

/// Remembered counters that may be gone from the kernel's table before they are looked through.
const STRAYS_MAX: usize = 1_024;

/// A counter's key.
pub trait Key: Copy + Eq + std::hash::Hash {
    /// Its process; `None` for what exceeded a budget and is counted for the whole workload.
    fn process(&self) -> Option<ProcessKey>;
}

impl Key for AccessKey {
    fn process(&self) -> Option<ProcessKey> {
        (self.tgid != 0).then_some(ProcessKey { pid: self.tgid, start: BootTime::from_nanos(self.start) })
    }
}

impl Key for ConnectionKey {
    fn process(&self) -> Option<ProcessKey> {
        (self.tgid != 0).then_some(ProcessKey { pid: self.tgid, start: BootTime::from_nanos(self.start) })
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
    /// Counters of processes that have ended: to be removed from the kernel's table.
    pub ended: Vec<K>,
}

impl<K: Key> Counts<K> {
    /// An event has told of a first occurrence.
    pub fn first(&mut self, key: K, id: EventId) {
        self.told.insert(key, Told { id, total: 1 });
    }

    /// Takes a reading. `dead` are processes whose end was seen before the table was read: nobody adds to theirs.
    pub fn read(&mut self, entries: &[(K, Count)], dead: &HashSet<ProcessKey>) -> Reading<K> {
        let mut reading = Reading { grown: Vec::new(), ended: Vec::new() };
        for (key, count) in entries {
            let id = EventId::new(BootTime::from_nanos(count.first), count.cpu);
            let told = self.told.entry(*key).or_insert(Told { id, total: 0 });
            if count.total > told.total {
                told.total = count.total;
                reading.grown.push((*key, told.id, *count));
            }
            if key.process().is_some_and(|process| dead.contains(&process)) {
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

    /// Processes that have counters.
    pub fn processes(&self) -> HashSet<ProcessKey> {
        self.told.keys().filter_map(Key::process).collect()
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
        assert!(counts.read(&[(key(1), count(1))], &HashSet::new()).grown.is_empty());
        let grown = counts.read(&[(key(1), count(4))], &HashSet::new()).grown;
        assert_eq!((grown.len(), grown[0].1, grown[0].2.total), (1, id, 4));
    }

    #[test]
    fn a_first_that_never_had_an_event_is_found_in_the_table_with_the_id_that_its_event_would_have_had() {
        let mut counts = Counts::default();
        let grown = counts.read(&[(key(1), count(2))], &HashSet::new()).grown;
        assert_eq!(grown[0].1, EventId::new(BootTime::from_nanos(100), 0));
    }

    #[test]
    fn a_dead_process_s_counter_is_told_a_last_time_and_retired() {
        let mut counts = Counts::default();
        let dead = HashSet::from([ProcessKey { pid: 1, start: BootTime::from_nanos(5) }]);
        let reading = counts.read(&[(key(1), count(3)), (key(2), count(1))], &dead);
        assert_eq!((reading.grown.len(), reading.ended.len()), (2, 1));
        assert_eq!(counts.processes().len(), 1);
    }

    #[test]
    fn a_late_event_of_a_retired_counter_is_not_remembered_for_ever() {
        let mut counts = Counts::default();
        for tgid in 1..=2_000 {
            counts.first(key(tgid), EventId(u64::from(tgid)));
        }
        counts.read(&[(key(1), count(1))], &HashSet::new());
        assert_eq!(counts.processes().len(), 1);
    }

    #[test]
    fn what_exceeds_a_budget_belongs_to_no_process_and_is_kept() {
        let mut counts = Counts::default();
        let dead = HashSet::from([ProcessKey { pid: 0, start: BootTime::from_nanos(0) }]);
        let all = AccessKey { start: 0, ..key(0) };
        assert!(counts.read(&[(all, count(10))], &dead).ended.is_empty());
    }
}
