//! From the tables of another version to ours: what only the kernel remembers.
//!
//! Our programs are attached and follow processes and cgroups, but neither decide nor tell: the other version's do both, on
//! their own tables. Meanwhile those are copied in rounds: what the other side holds wins, and what has changed since the
//! round before is copied again. One slot then puts ours in charge, with everything that was known. The other version goes
//! on enforcing beside us until it is retired: never a moment with neither, whenever an agent is killed.
//!
//! Counters are not copied, because both sides add to them: they are read once, and told by user space. So are losses, and
//! what stood in the rings: a record whose length is not ours cannot be read, and is told as lost.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use aya::Pod;
use aya::maps::{Map, MapData, MapType, RingBuf};
use cofferdam_abi::count::{Count, LossKey};
use cofferdam_abi::event::verdict;
use cofferdam_abi::key::{AccessKey, ConnectionKey};
use cofferdam_abi::map::{CARRIED, control};

use crate::batch::{Put, Raw, read};
use crate::decode::{Event, decode, time_of};
use crate::pins::Version;

/// Rounds at most: what changes all the time is followed by our own programs by then.
const ROUNDS: usize = 5;
/// Tables that programs write: what has changed since the last look is copied again.
const LIVE: &[&str] = &[
    "CGROUPS",
    "WORKLOADS",
    "PROCESSES",
    "READS",
    "ACCEPTED",
    "POLICIES",
    "ASSIGNED",
    "DEVICES",
    "DEVICE_SLOTS",
];
/// Tables to which a last change may come at the very moment of the hand-over; entries are only ever added.
const ADDED_TO: &[&str] = &["READS", "ACCEPTED"];

/// What was taken over from another version.
#[derive(Debug, Default)]
pub struct Carried {
    /// The other version.
    pub from: u32,
    /// Its counters of accesses. An agent before may have told some of them already, under the same ids.
    pub accesses: Vec<(AccessKey, Count)>,
    /// Its counters of connections, likewise.
    pub connections: Vec<(ConnectionKey, Count)>,
    /// Losses that nobody has told.
    pub losses: Vec<(LossKey, u64)>,
    /// Records of its rings that are not of this version.
    pub unread: u64,
    /// Tables that could not be taken over, and why.
    pub left: Vec<(&'static str, String)>,
}

impl Carried {
    /// Whether nobody knows what workloads have read: each counts as having read whatever a rule speaks of.
    pub fn reads_are_unknown(&self) -> bool {
        self.left.iter().any(|(table, _)| *table == "READS")
    }
}

/// The other version's tables beside ours.
pub(crate) struct Carrier {
    from: Version,
    pairs: Vec<Pair>,
    left: Vec<(&'static str, String)>,
}

impl Carrier {
    /// Opens them; tables that cannot be carried are left.
    pub(crate) fn open(from: Version, to: &Version) -> Self {
        let mut carrier = Self { pairs: Vec::new(), left: Vec::new(), from };
        for name in CARRIED {
            match Pair::open(name, &carrier.from.maps(), &to.maps()) {
                Ok(pair) => carrier.pairs.push(pair),
                Err(reason) => carrier.left.push((*name, reason)),
            }
        }
        carrier
    }

    /// Copies until nothing changes any more.
    pub(crate) fn copy(&mut self) {
        self.round(|_| true, Put::Anyway);
        for _ in 1..ROUNDS {
            if self.round(|name| LIVE.contains(&name), Put::Anyway) == 0 {
                return;
            }
        }
    }

    /// Says how many entries were copied.
    fn round(&mut self, chosen: impl Fn(&str) -> bool, how: Put) -> usize {
        let mut copied = 0;
        let left = &mut self.left;
        self.pairs.retain_mut(|pair| {
            if !chosen(pair.name) {
                return true;
            }
            let done = pair.round(how).map(|entries| copied += entries);
            let failed = done.map_err(|error| left.push((pair.name, error.to_string())));
            failed.is_ok()
        });
        copied
    }

    /// What is left to do once ours are in charge, since `when` (boot clock, ns): the last changes, counters, rings.
    pub(crate) fn finish(mut self, when: u64, pending: &mut Vec<Event>) -> Carried {
        self.round(|name| ADDED_TO.contains(&name), Put::New);
        collect(&self.from, when, self.left, pending)
    }
}

/// What another version has counted and sent, and nobody has read.
pub(crate) fn collect(
    from: &Version,
    until: u64,
    left: Vec<(&'static str, String)>,
    pending: &mut Vec<Event>,
) -> Carried {
    let mut carried = Carried { from: from.number, left, ..Carried::default() };
    let maps = from.maps();
    carried.accesses = carried.entries(&maps, "ACCESSES");
    carried.connections = carried.entries(&maps, "CONNECTIONS");
    let (losses, told) = (carried.entries(&maps, "LOSSES"), carried.entries(&maps, "TOLD"));
    carried.losses = untold(losses, &told);
    for ring in ["PRIORITY", "BULK"] {
        match drain(&maps, ring, until, pending) {
            Ok(unread) => carried.unread += unread,
            Err(reason) => carried.left.push((ring, reason)),
        }
    }
    for (table, reason) in &carried.left {
        tracing::error!(
            version = carried.from,
            table,
            reason,
            "a table of another version is not taken over"
        );
    }
    carried
}

impl Carried {
    /// All entries of a table of counters.
    fn entries<K: Pod, V: Pod>(&mut self, maps: &Path, name: &'static str) -> Vec<(K, V)> {
        let mut found = Vec::new();
        let done = Table::open(&maps.join(name)).and_then(|table| {
            let each = |key: &[u8], value: &[u8]| {
                found.extend(read(key).zip(read(&fitted(value, size_of::<V>()))));
            };
            same_key(table.key, size_of::<K>())?;
            table.raw().for_each(each).map_err(|error| error.to_string())
        });
        self.left.extend(done.err().map(|reason| (name, reason)));
        found
    }
}

/// What other versions' programs have refused until now, with their counters: on the tracepoint tier the guard asks them
/// until it has ours, and nobody else tells of it. To be told before they are retired.
pub fn refused_by_others(pin_dir: &Path) -> Vec<(AccessKey, Count)> {
    let others = Version::others(pin_dir).unwrap_or_default();
    let counted = others.iter().flat_map(|it| Carried::default().entries(&it.maps(), "ACCESSES"));
    counted.filter(|(key, _): &(AccessKey, Count)| key.verdict == verdict::DENIED).collect()
}

/// What was lost and not told.
fn untold(losses: Vec<(LossKey, u64)>, told: &[(LossKey, u64)]) -> Vec<(LossKey, u64)> {
    let told: HashMap<LossKey, u64> = told.iter().copied().collect();
    let rest =
        |(key, total): (LossKey, u64)| (key, total.saturating_sub(told.get(&key).copied().unwrap_or(0)));
    losses.into_iter().map(rest).filter(|(_, count)| *count > 0).collect()
}

/// Moves what was sent before `until` out of a ring; says how many records are not of this version.
fn drain(maps: &Path, name: &str, until: u64, into: &mut Vec<Event>) -> Result<u64, String> {
    let data = MapData::from_pin(maps.join(name)).map_err(|error| error.to_string())?;
    let map = Map::from_map_data(data).map_err(|error| error.to_string())?;
    let mut ring = RingBuf::try_from(map).map_err(|error| error.to_string())?;
    let mut unread = 0;
    while let Some(record) = ring.next() {
        // From then on our own programs have told it.
        if time_of(&record).is_some_and(|time| time >= until) {
            break;
        }
        match decode(&record) {
            Ok(event) => into.push(event),
            Err(_) => unread += 1,
        }
    }
    Ok(unread)
}

/// A pinned table of whatever version.
struct Table {
    data: MapData,
    key: usize,
    value: usize,
    is_array: bool,
}

impl Table {
    fn open(path: &Path) -> Result<Self, String> {
        let data = MapData::from_pin(path).map_err(|error| error.to_string())?;
        let info = data.info().map_err(|error| error.to_string())?;
        let is_array = info.map_type().is_ok_and(|kind| kind == MapType::Array);
        Ok(Self { key: info.key_size() as usize, value: info.value_size() as usize, is_array, data })
    }

    fn raw(&self) -> Raw<'_> {
        Raw { fd: self.data.fd().as_fd(), key: self.key, value: self.value }
    }
}

/// A table of the other version, and ours of the same name.
struct Pair {
    name: &'static str,
    theirs: Table,
    ours: Table,
    /// What was copied, and in which round it was last there.
    copied: HashMap<Vec<u8>, (Vec<u8>, usize)>,
    rounds: usize,
}

impl Pair {
    fn open(name: &'static str, from: &Path, to: &Path) -> Result<Self, String> {
        let (theirs, ours) = (Table::open(&from.join(name))?, Table::open(&to.join(name))?);
        same_key(theirs.key, ours.key)?;
        Ok(Self { name, theirs, ours, copied: HashMap::new(), rounds: 0 })
    }

    fn round(&mut self, how: Put) -> io::Result<usize> {
        self.rounds += 1;
        let Self { name, theirs, ours, copied, rounds } = self;
        let (mut changes, mut outcome) = (0, Ok(()));
        theirs.raw().for_each(|key, value| {
            if outcome.is_err() || !is_carried(name, key) {
                return;
            }
            let is_same = match copied.get_mut(key) {
                Some((known, round)) => {
                    *round = *rounds;
                    known == value
                }
                // Of an array every slot is there; what is zero was never written.
                None => theirs.is_array && value.iter().all(|byte| *byte == 0),
            };
            // Once more even so: our programs may have written over the copy before they knew the rest.
            if !is_same || (*rounds == 2 && how == Put::Anyway && !theirs.is_array) {
                outcome = ours.raw().put(key, &fitted(value, ours.value), how);
            }
            if !is_same {
                copied.insert(key.to_vec(), (value.to_vec(), *rounds));
                changes += 1;
            }
        })?;
        outcome?;
        if how == Put::Anyway {
            copied.retain(|key, (_, round)| {
                let is_there = round == rounds;
                if !is_there {
                    ours.raw().remove(key);
                    changes += 1;
                }
                is_there
            });
        }
        Ok(changes)
    }
}

/// Whether an entry is carried: all but the slots that are about versions and their programs.
fn is_carried(table: &str, key: &[u8]) -> bool {
    let of_version = [control::ACTIVE_GENERATION, control::FOLLOWING, control::VERSION];
    table != "CONTROL" || read::<u32>(key).is_some_and(|slot| !of_version.contains(&slot))
}

/// A value as another version has it: what both know is kept, what it does not know is zero.
fn fitted(value: &[u8], size: usize) -> Vec<u8> {
    let mut fitted = value[..value.len().min(size)].to_vec();
    fitted.resize(size, 0);
    fitted
}

fn same_key(theirs: usize, ours: usize) -> Result<(), String> {
    if theirs == ours {
        return Ok(());
    }
    Err(format!("its keys have {theirs} bytes, ours {ours}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_value_the_common_beginning_is_kept_and_what_the_other_version_does_not_know_is_zero() {
        assert_eq!(fitted(&[1, 2, 3], 5), [1, 2, 3, 0, 0]);
        assert_eq!(fitted(&[1, 2, 3], 2), [1, 2]);
        assert_eq!(fitted(&[1, 2, 3], 3), [1, 2, 3]);
    }

    #[test]
    fn a_table_whose_key_has_changed_is_not_carried_and_it_is_said_why() {
        assert!(same_key(16, 16).is_ok());
        assert_eq!(same_key(16, 24).unwrap_err(), "its keys have 16 bytes, ours 24");
    }

    #[test]
    fn without_the_table_of_reads_everything_counts_as_read() {
        let left = |table| Carried { left: vec![(table, String::new())], ..Carried::default() };
        assert!(left("READS").reads_are_unknown());
        assert!(!left("ACCEPTED").reads_are_unknown());
    }

    #[test]
    fn which_programs_are_in_charge_is_not_carried_but_the_other_slots_are() {
        let carries = |table, slot: u32| is_carried(table, &slot.to_ne_bytes());
        assert!(!carries("CONTROL", control::ACTIVE_GENERATION));
        assert!(!carries("CONTROL", control::FOLLOWING));
        assert!(carries("CONTROL", control::PACKETS));
        assert!(carries("DEVICE_SLOTS", control::ACTIVE_GENERATION));
    }

    #[test]
    fn only_what_nobody_has_told_of_a_loss_is_left_to_be_told() {
        let key = |workload| LossKey { workload, hook: 3, reason: 0 };
        let rest = untold(vec![(key(1), 5), (key(2), 4), (key(3), 7)], &[(key(1), 5), (key(2), 1)]);
        assert_eq!(rest, [(key(2), 3), (key(3), 7)]);
    }

    #[test]
    fn whatever_programs_write_is_looked_at_again() {
        assert!(LIVE.iter().chain(ADDED_TO).all(|name| CARRIED.contains(name)));
    }
}
