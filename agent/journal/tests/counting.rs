//! Counts are exact whatever happens between two writes: rolls, restarts, crashes, replays.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_journal::Journal;
use cofferdam_model::*;
use common::*;
use proptest::prelude::*;

#[test]
fn a_counter_that_outlives_its_segment_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let mut counter = access(0, 101, 10, volume("creds", "k"));
    for (total, last) in [(3, 11), (8, 12), (8, 12), (20, 13)] {
        (counter.total, counter.last) = (total, at(last));
        append(&mut journal, &[Record::Access(counter.clone())]);
        journal.roll().unwrap();
    }
    drop(journal);
    let answer = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len(), 1);
    assert_eq!((answer.rows[0].count, answer.rows[0].last), (20, moment(13)));
    assert_eq!(answer.rows[0].first, clock().wall(counter.first));
}

#[test]
fn a_range_counts_the_shares_of_the_segments_that_it_touches() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let mut counter = access(0, 101, 10, volume("creds", "k"));
    for (total, last) in [(3, 11), (8, 21), (20, 31)] {
        (counter.total, counter.last) = (total, at(last));
        append(&mut journal, &[Record::Access(counter.clone())]);
        journal.roll().unwrap();
    }
    let reader = reader(dir.path());
    let count = |since: u64, until: u64| {
        let filter = Filter { since: Some(moment(since)), until: Some(moment(until)), ..Filter::default() };
        reader.accesses(&filter).unwrap().rows.first().map(|row| row.count)
    };
    assert_eq!(count(0, 100), Some(20));
    assert_eq!(count(0, 11), Some(3));
    assert_eq!(count(12, 20), Some(5));
    assert_eq!(count(25, 100), Some(12));
    assert_eq!(count(32, 100), None);
}

#[test]
fn an_old_record_told_again_adds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let mut counter = access(0, 101, 10, volume("creds", "k"));
    counter.total = 9;
    append(&mut journal, &[Record::Access(counter.clone())]);
    journal.roll().unwrap();
    counter.total = 4;
    append(&mut journal, &[Record::Access(counter.clone())]);
    let rows = reader(dir.path()).accesses(&Filter::default()).unwrap().rows;
    assert_eq!((rows.len(), rows[0].count), (1, 9));
}

#[test]
fn ids_of_a_node_that_is_up_for_years_are_counted_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let days = |days: u64| BootTime::from_nanos(days * 86_400 * SECOND);
    let mut counters = [200, 500, 800].map(|day| {
        let mut counter = access(0, 101, 10, volume("creds", "k"));
        (counter.id, counter.first, counter.last) = (EventId::new(days(day), 0), days(day), days(day));
        counter
    });
    for _ in 0..2 {
        append(&mut journal, &counters.clone().map(Record::Access));
        journal.roll().unwrap();
        for counter in &mut counters {
            counter.total += 4;
        }
        append(&mut journal, &counters.clone().map(Record::Access));
    }
    let rows = reader(dir.path()).accesses(&Filter::default()).unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.count).collect::<Vec<_>>(), [9, 9, 9]);
    let latest = Filter { limit: Some(1), ..Filter::default() };
    assert_eq!(reader(dir.path()).accesses(&latest).unwrap().rows[0].first, clock().wall(days(800)));
}

#[derive(Debug, Clone)]
enum Step {
    /// Counter `of` grew by `by` since.
    Grow { of: u8, by: u64 },
    /// What counter `of` had reached is told again, or less than that.
    Again { of: u8, less: u64 },
    /// The batch is written.
    Commit,
    /// The next segment is begun.
    Roll,
    /// The agent is stopped and started.
    Restart,
    /// The agent is killed: what goes on is a copy of the directory as it stood.
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..8_u8, 0..5_u64).prop_map(|(of, by)| Step::Grow { of, by }),
        2 => (0..8_u8, 0..3_u64).prop_map(|(of, less)| Step::Again { of, less }),
        4 => Just(Step::Commit),
        2 => Just(Step::Roll),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ];
    proptest::collection::vec(step, 1..40)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        // Shared memory does not survive a kill of everyone who maps it.
        if !path.to_string_lossy().ends_with("-shm") {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Even counters are accesses, odd ones connections.
fn record(of: u8, total: u64) -> Record {
    let last = at(100 + total);
    if of.is_multiple_of(2) {
        let mut counter = access(u64::from(of), 101, 10, volume("creds", "k"));
        (counter.total, counter.last) = (total, last);
        Record::Access(counter)
    } else {
        let mut counter = connection(u64::from(of), 101, 10, "10.0.0.5");
        (counter.total, counter.last) = (total, last);
        Record::Connection(counter)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sums_over_segments_are_the_totals(steps in steps()) {
        let root = quick_dir();
        let mut generation = 0;
        let mut dir = root.path().join("0");
        let mut journal = Some(open(&dir));
        let mut totals: BTreeMap<u8, u64> = BTreeMap::new();
        let mut pending: Vec<Record> = Vec::new();
        for step in steps.into_iter().chain([Step::Commit]) {
            match step {
                Step::Grow { of, by } => {
                    let total = totals.entry(of).or_default();
                    *total += by;
                    if *total > 0 {
                        pending.push(record(of, *total));
                    }
                }
                Step::Again { of, less } => {
                    let total = totals.get(&of).copied().unwrap_or(0).saturating_sub(less);
                    if total > 0 {
                        pending.push(record(of, total));
                    }
                }
                Step::Commit => append(journal.as_mut().unwrap(), &std::mem::take(&mut pending)),
                Step::Roll => journal.as_mut().unwrap().roll().unwrap(),
                Step::Restart => {
                    drop(journal.take());
                    journal = Some(open(&dir));
                }
                Step::Kill => {
                    generation += 1;
                    let copied = root.path().join(generation.to_string());
                    copy(&dir, &copied);
                    dir = copied;
                    journal = Some(open(&dir));
                    // What was not committed is told again by the kernel's counters.
                    pending = totals.iter().filter(|(_, t)| **t > 0).map(|(of, t)| record(*of, *t)).collect();
                }
            }
        }
        let timeline = reader(&dir).timeline(&Filter::default()).unwrap();
        let mut found: BTreeMap<u8, (u64, WallTime)> = BTreeMap::new();
        for row in &timeline.accesses.rows {
            let of = (row.first.as_nanos() - moment(10).as_nanos()) as u8;
            prop_assert!(found.insert(of, (row.count, row.last)).is_none());
        }
        for row in &timeline.connections.rows {
            let of = (row.first.as_nanos() - moment(20).as_nanos()) as u8;
            prop_assert!(found.insert(of, (row.count, row.last)).is_none());
        }
        totals.retain(|_, total| *total > 0);
        let expected: BTreeMap<u8, (u64, WallTime)> =
            totals.into_iter().map(|(of, total)| (of, (total, moment(100 + total)))).collect();
        prop_assert_eq!(found, expected);
        drop(journal);
    }
}

#[test]
fn two_writers_of_one_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let error = Journal::open(dir.path(), config()).unwrap_err();
    assert!(error.to_string().contains("another agent writes the journal"), "{error}");
}
