//! Every answer says what is missing from it.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::time::Duration;

use cofferdam_journal::{Config, Journal, Notice, ShedCause};
use cofferdam_model::*;
use common::*;

fn hooks() -> Vec<String> {
    vec!["file_open".to_owned(), "connect4".to_owned()]
}

fn ask(dir: &std::path::Path, since: Option<u64>, until: Option<u64>) -> Completeness {
    let filter = Filter { since: since.map(moment), until: until.map(moment), ..Filter::default() };
    reader(dir).accesses(&filter).unwrap().completeness
}

fn loss(reason: LossReason, seconds: u64, count: u64, workload: Option<u64>) -> Record {
    Record::Loss(Loss {
        since: at(seconds),
        until: at(seconds + 1),
        hook: "file_open".to_owned(),
        workload: workload.map(WorkloadId),
        reason,
        count,
    })
}

#[test]
fn a_range_is_complete_only_where_the_agent_watched() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    let nothing = ask(dir.path(), None, None);
    assert_eq!(nothing.reasons, ["no agent has ever said that its hooks were attached"]);

    journal.begin_coverage(&clock(), &boot(), at(10), &hooks()).unwrap();
    set_now(at(100));
    append(&mut journal, &[]);
    let whole = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert!(whole.completeness.complete);
    assert_eq!((whole.since, whole.until), (Some(moment(10)), Some(moment(100))));
    assert_eq!(whole.completeness.seen_since, Some(moment(10)));
    assert!(whole.completeness.sources[0].starts_with("hooks file_open connect4 2026-11-22T05:00:10"));
    assert!(ask(dir.path(), Some(10), Some(100)).complete);
    let before = ask(dir.path(), Some(5), Some(50));
    assert_eq!(
        before.reasons,
        ["not watched from 2026-11-22T05:00:05.000000000Z to 2026-11-22T05:00:10.000000000Z: \
          before the agent's first run that this journal knows"]
    );
    assert!(!ask(dir.path(), Some(50), Some(101)).complete);
}

#[test]
fn a_gap_between_two_runs_is_told_with_its_reason() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(10), &hooks()).unwrap();
    journal.end_coverage(&clock(), &boot(), at(20), "stopped").unwrap();
    journal.begin_coverage(&clock(), &boot(), at(30), &hooks()).unwrap();
    set_now(at(40));
    append(&mut journal, &[]);
    drop(journal);
    let mut journal = open(dir.path());
    // Killed at 40; the kernel side went on, so that the next run has everything since 39.
    journal.begin_coverage(&clock(), &boot(), at(39), &hooks()).unwrap();
    set_now(at(50));
    append(&mut journal, &[]);
    let all = ask(dir.path(), None, None);
    assert_eq!(all.reasons.len(), 1, "{:?}", all.reasons);
    assert!(all.reasons[0].ends_with("05:00:30.000000000Z: stopped"), "{:?}", all.reasons);
    assert_eq!(all.seen_since, Some(moment(30)));
    assert!(ask(dir.path(), Some(30), Some(50)).complete);
}

#[test]
fn a_killed_run_ends_at_its_last_commit() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(10), &hooks()).unwrap();
    journal.append_seen(&clock(), &boot(), &[], at(15)).unwrap();
    drop(journal);
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(30), &hooks()).unwrap();
    let all = ask(dir.path(), None, None);
    assert!(
        all.reasons[0]
            .contains("05:00:15.000000000Z to 2026-11-22T05:00:30.000000000Z: the agent was killed")
    );
}

#[test]
fn coverage_goes_on_over_segments() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(10), &hooks()).unwrap();
    for second in [20, 30, 40] {
        set_now(at(second));
        append(&mut journal, &[]);
        journal.roll().unwrap();
    }
    append(&mut journal, &[]);
    let all = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert!(all.completeness.complete, "{:?}", all.completeness.reasons);
    assert_eq!(all.since, Some(moment(10)));
}

#[test]
fn a_reboot_is_a_gap() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(10), &hooks()).unwrap();
    journal.append_seen(&clock(), &boot(), &[], at(20)).unwrap();
    let later = Clock { booted: moment(100) };
    journal.begin_coverage(&later, &next_boot(), at(5), &hooks()).unwrap();
    set_now(at(110));
    journal.append(&later, &next_boot(), &[Record::Access(access(0, 7, 7, volume("a", "b")))]).unwrap();
    let all = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert_eq!(all.rows[0].boot_id, next_boot());
    assert_eq!(all.rows[0].first, moment(110));
    assert!(all.completeness.reasons[0].contains("05:00:20.000000000Z to 2026-11-22T05:01:45"));
}

#[test]
fn losses_count_in_their_range_and_for_their_workload() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &hooks()).unwrap();
    set_now(at(100));
    append(
        &mut journal,
        &[
            Record::Workload(container(101, "checkout")),
            Record::Workload(container(102, "other")),
            loss(LossReason::RingFull, 10, 3, None),
            loss(LossReason::RingFull, 50, 4, Some(102)),
            loss(LossReason::OverBudget, 50, 1000, Some(101)),
        ],
    );
    journal.roll().unwrap();
    append(&mut journal, &[loss(LossReason::Malformed, 60, 1, Some(101))]);
    let lost = |since, until| {
        let completeness = ask(dir.path(), Some(since), Some(until));
        (completeness.lost, completeness.over_budget)
    };
    assert_eq!(lost(1, 100), (8, 1000));
    assert_eq!(lost(1, 20), (3, 0));
    assert_eq!(lost(20, 100), (5, 1000));
    assert_eq!(lost(70, 100), (0, 0));
    let of = |pod: &str| {
        let filter = Filter { pod: Some(pod.to_owned()), ..Filter::default() };
        reader(dir.path()).accesses(&filter).unwrap().completeness
    };
    assert_eq!((of("checkout-0").lost, of("checkout-0").over_budget), (4, 1000));
    assert_eq!((of("other-0").lost, of("other-0").over_budget), (7, 0));
    assert!(
        ask(dir.path(), Some(1), Some(100))
            .reasons
            .contains(&"7 events lost by file_open: ring-full".to_owned())
    );
    let filter = Filter { pod: Some("other-0".to_owned()), ..Filter::default() };
    let losses = reader(dir.path()).timeline(&filter).unwrap().losses;
    let told: Vec<_> = losses.iter().map(|row| (row.workload.is_some(), row.reason, row.count)).collect();
    assert_eq!(told, [(false, LossReason::RingFull, 3), (true, LossReason::RingFull, 4)]);
}

#[test]
fn a_loss_at_the_very_end_is_told() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &hooks()).unwrap();
    journal.append_seen(&clock(), &boot(), &[loss(LossReason::Stopped, 50, 2, None)], at(50)).unwrap();
    assert_eq!(ask(dir.path(), None, None).lost, 2);
    assert_eq!(ask(dir.path(), Some(1), Some(50)).lost, 0);
}

#[test]
fn a_workload_that_nobody_named_makes_its_neighbours_answers_incomplete() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &hooks()).unwrap();
    set_now(at(100));
    append(
        &mut journal,
        &[
            Record::Workload(container(101, "checkout")),
            Record::Access(access(1, 101, 10, volume("a", "k"))),
            Record::Access(access(2, 0, 10, volume("a", "k"))),
            Record::Access(access(3, 555, 10, volume("b", "k"))),
        ],
    );
    let of = |secret: Option<&str>| {
        let filter = Filter {
            pod: Some("checkout-0".to_owned()),
            secret: secret.map(str::to_owned),
            ..Filter::default()
        };
        let answer = reader(dir.path()).accesses(&filter).unwrap();
        (answer.rows.len(), answer.completeness.unknown_workloads)
    };
    assert_eq!(of(None), (1, 2));
    assert_eq!(of(Some("*volume/a")), (1, 1));
    assert_eq!(ask(dir.path(), None, None).unknown_workloads, 2);
}

#[test]
fn segments_expire_with_age() {
    let dir = quick_dir();
    let config =
        Config { retain: Duration::from_secs(640), segment_span: Duration::from_secs(10), ..config() };
    let mut journal = Journal::open(dir.path(), config).unwrap();
    journal.begin_coverage(&clock(), &boot(), at(0), &hooks()).unwrap();
    append(&mut journal, &[Record::Workload(container(101, "checkout"))]);
    let mut expired = 0;
    for second in (0..1_000).step_by(10) {
        set_now(at(second));
        let mut access = access(0, 101, 10, volume("creds", "k"));
        (access.id, access.first, access.last) = (EventId::new(at(second), 0), at(second), at(second));
        let committed = journal.append(&clock(), &boot(), &[Record::Access(access)]).unwrap();
        expired += committed
            .notices
            .iter()
            .inspect(|notice| assert!(matches!(notice, Notice::Expired { .. }), "{notice}"))
            .count();
    }
    let all = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert!(expired >= 30, "{expired}");
    assert_eq!(all.rows.len() + expired, 100);
    assert!(all.completeness.complete, "what was asked for is what is kept: {:?}", all.completeness.reasons);
    let whole = ask(dir.path(), Some(0), None);
    assert!(whole.reasons[0].contains("before the agent's first run that this journal knows"));
}

/// A flood of one workload, with a row of another now and then.
fn flood(journal: &mut Journal, rounds: u64, mut each: impl FnMut(&Notice)) {
    journal.begin_coverage(&clock(), &boot(), at(0), &hooks()).unwrap();
    append(journal, &[Record::Workload(container(101, "quiet")), Record::Workload(container(102, "loud"))]);
    for round in 0..rounds {
        set_now(at(11 + round));
        let mut batch: Vec<Record> = (0..2_000)
            .map(|n| Record::Access(access(round * SECOND + n, 102, 20, volume("creds", "k"))))
            .collect();
        batch.push(Record::Access(access(round * SECOND + 5_000, 101, 10, volume("creds", "k"))));
        let committed = journal.append(&clock(), &boot(), &batch).unwrap();
        committed.notices.iter().for_each(&mut each);
        let status = journal.status();
        assert!(status.bytes <= status.max_size + status.max_size / 4, "{status:?}");
    }
}

#[test]
fn a_flood_of_one_workload_does_not_push_out_the_evidence_of_another() {
    let dir = quick_dir();
    let config = Config { max_size: 8 << 20, ..config() };
    let mut journal = Journal::open(dir.path(), config).unwrap();
    let mut shed = 0;
    flood(&mut journal, 120, |notice| match notice {
        Notice::Shed { cause: ShedCause::Quota, workload: Some(name), events, .. } => {
            assert_eq!(name, "shop/loud-0/loud");
            shed += events;
        }
        other => panic!("{other}"),
    });
    let of = |pod: &str| {
        let filter = Filter { pod: Some(pod.to_owned()), ..Filter::default() };
        reader(dir.path()).accesses(&filter).unwrap()
    };
    let (quiet, loud) = (of("quiet-0"), of("loud-0"));
    assert_eq!(quiet.rows.len(), 120);
    assert!(quiet.completeness.complete, "{:?}", quiet.completeness.reasons);
    assert_eq!(loud.rows.len() as u64 + shed, 240_000);
    assert_eq!(loud.completeness.lost, shed);
    assert!(loud.completeness.reasons[0].contains("events lost by journal: journal-shed"));
    assert_eq!(journal.status().shed, shed);
}

#[test]
fn where_nobody_is_over_quota_the_oldest_segment_goes_and_is_counted() {
    let dir = quick_dir();
    let config = Config { max_size: 8 << 20, workload_quota: Some(u64::MAX), ..config() };
    let mut journal = Journal::open(dir.path(), config).unwrap();
    let mut shed = 0;
    flood(&mut journal, 60, |notice| match notice {
        Notice::Shed { cause: ShedCause::Size, workload: None, events, .. } => shed += events,
        other => panic!("{other}"),
    });
    // What the last commits shed is written with the next ones.
    for _ in 0..2 {
        append(&mut journal, &[]);
    }
    assert!(shed > 0);
    shed = journal.status().shed;
    let all = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert_eq!(all.rows.len() as u64 + shed, 60 * 2_001);
    let from_the_start = ask(dir.path(), Some(0), None);
    assert_eq!(from_the_start.lost, shed);
    assert!(!from_the_start.complete);
}

#[test]
fn a_timeline_lacks_the_programs_that_exceeded_a_budget_and_accesses_do_not() {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &hooks()).unwrap();
    let untold = Loss {
        since: at(10),
        until: at(11),
        hook: "exec".to_owned(),
        workload: None,
        reason: LossReason::OverBudget,
        count: 7,
    };
    journal.append_seen(&clock(), &boot(), &[Record::Loss(untold)], at(50)).unwrap();
    let timeline = reader(dir.path()).timeline(&Filter::default()).unwrap();
    let reason = "7 forks and execs beyond their workload's budget are not itemised".to_owned();
    assert_eq!(timeline.processes.completeness.reasons, [reason]);
    assert!(timeline.accesses.completeness.complete);
}
