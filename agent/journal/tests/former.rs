//! A journal that an agent of a former schema has left: it is read on, and followed by segments of the present one.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::path::Path;

use cofferdam_journal::{Config, Journal, Notice, ShedCause};
use cofferdam_model::*;
use common::*;

const SCHEMA: &str = include_str!("fixtures/schema-1.sql");

/// Copies what the present schema holds into a file of the former one, column by column.
fn make_former(dir: &Path, closed: bool) {
    let new = quick_dir();
    let mut journal = open(new.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    let mut counted = access(1, 101, 10, volume("creds", "k"));
    counted.total = 3;
    let records = [
        Record::Workload(container(101, "checkout")),
        Record::Process(program(10, 101, "/usr/bin/checkout")),
        Record::Access(counted),
        Record::Connection(connection(1, 101, 10, "10.0.0.5")),
    ];
    journal.append_seen(&clock(), &boot(), &records, at(30)).unwrap();
    drop(journal);
    let mut paths = std::fs::read_dir(new.path()).unwrap().map(|entry| entry.unwrap().path());
    let from = paths.find(|path| path.extension().is_some_and(|end| end == "sqlite")).unwrap();
    std::fs::create_dir_all(dir).unwrap();
    let db = rusqlite::Connection::open(dir.join(from.file_name().unwrap())).unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db.pragma_update(None, "application_id", 0x436f_6664).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    db.execute("ATTACH ?1 AS new", [from.to_string_lossy()]).unwrap();
    let tables = ["segment", "boots", "coverage", "workload", "process", "secret", "access", "connection"];
    for table in tables {
        db.execute(&format!("INSERT INTO main.{table} SELECT * FROM new.{table}"), []).unwrap();
    }
    db.execute(
        "INSERT INTO main.decision SELECT id, denied_by, enforced_by, policy, generation FROM new.decision",
        [],
    )
    .unwrap();
    if closed {
        db.execute("UPDATE main.segment SET closed_ns = 1", []).unwrap();
    }
}

fn versions(dir: &Path) -> Vec<i64> {
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "sqlite"))
        .map(|path| {
            let db = rusqlite::Connection::open(path).unwrap();
            db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
        })
        .collect()
}

#[test]
fn it_answers_every_question_without_rules_attempts_and_acts() {
    let dir = quick_dir();
    make_former(dir.path(), true);
    let reader = reader(dir.path());
    let accesses = reader.accesses(&Filter::default()).unwrap();
    assert!(accesses.completeness.complete, "{:?}", accesses.completeness.reasons);
    let row = &accesses.rows[0];
    assert_eq!((row.count, row.workload.as_deref()), (3, Some("shop/checkout-0/checkout")));
    assert_eq!((row.rule.as_deref(), row.exception), (None, false));
    assert_eq!(reader.connections(&Filter::default()).unwrap().rows.len(), 1);
    let pod = Filter { pod: Some("checkout-0".to_owned()), ..Filter::default() };
    for filter in [Filter::default(), pod] {
        for answer in [
            reader.attempts(&filter).unwrap().completeness,
            reader.audits(&filter).unwrap().completeness,
            reader.detections(&filter).unwrap().completeness,
        ] {
            assert!(answer.complete, "{:?}", answer.reasons);
        }
        assert_eq!(reader.denials(&filter).unwrap().accesses.rows.len(), 0);
        assert_eq!(reader.timeline(&filter).unwrap().processes.rows.len(), 1);
    }
    assert!(reader.entry(&row.id.parse().unwrap()).unwrap().is_some());
}

#[test]
fn the_next_agent_goes_on_in_a_new_segment_and_counts_on() {
    for closed in [true, false] {
        let dir = quick_dir();
        make_former(dir.path(), closed);
        let mut journal = open(dir.path());
        let mut counted = access(1, 101, 10, volume("creds", "k"));
        counted.total = 5;
        append(&mut journal, &[Record::Access(counted), Record::Attempt(attempt(1, 101, 10, "/tmp/x"))]);
        assert_eq!(versions(dir.path()), [1, 3]);
        journal.look_after().unwrap();
        drop(journal);
        let mut journal = open(dir.path());
        append(&mut journal, &[Record::Attempt(attempt(2, 101, 10, "/tmp/x"))]);
        assert_eq!(versions(dir.path()), [1, 3], "the new one is gone on with");
        let reader = reader(dir.path());
        let rows = reader.accesses(&Filter::default()).unwrap().rows;
        assert_eq!((rows.len(), rows[0].count), (1, 5));
        assert_eq!(rows[0].workload.as_deref(), Some("shop/checkout-0/checkout"));
        let attempts = reader.attempts(&Filter::default()).unwrap().rows;
        assert_eq!((attempts.len(), attempts[0].binary.as_deref()), (2, Some("/usr/bin/checkout")));
    }
}

#[test]
fn its_rows_are_shed_like_others() {
    for quota in [None, Some(u64::MAX)] {
        let dir = quick_dir();
        make_former(dir.path(), false);
        let config = Config { max_size: 8 << 20, workload_quota: quota, ..config() };
        let mut journal = Journal::open(dir.path(), config).unwrap();
        let mut causes = Vec::new();
        for round in 1..60 {
            set_now(at(31 + round));
            let batch: Vec<Record> = (0..2_000)
                .map(|n| Record::Access(access(round * SECOND + n, 101, 20, volume("creds", "k"))))
                .collect();
            for notice in journal.append(&clock(), &boot(), &batch).unwrap().notices {
                match notice {
                    Notice::Shed { cause, .. } => causes.push(cause),
                    other => panic!("{other}"),
                }
            }
        }
        let cause = if quota.is_some() { ShedCause::Size } else { ShedCause::Quota };
        assert!(!causes.is_empty() && causes.iter().all(|found| *found == cause), "{causes:?}");
    }
}

/// Takes from a journal what its schema had not yet when it had rules, but no detections.
fn make_second(dir: &Path) {
    let mut journal = open(dir);
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    let records = [
        Record::Workload(container(101, "checkout")),
        Record::Process(program(10, 101, "/usr/bin/checkout")),
        Record::Attempt(attempt(1, 101, 10, "/tmp/x")),
        Record::Audit(audit(3, AuditKind::PolicyApplied, "shop/web")),
    ];
    journal.append_seen(&clock(), &boot(), &records, at(30)).unwrap();
    drop(journal);
    let mut paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.extension().is_some_and(|end| end == "sqlite")).unwrap();
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("DROP VIEW detections; DROP TABLE detection; PRAGMA user_version = 2;").unwrap();
}

#[test]
fn a_journal_without_detections_is_read_and_gone_on_with() {
    let dir = quick_dir();
    make_second(dir.path());
    for _ in 0..2 {
        let reader = reader(dir.path());
        assert_eq!(reader.attempts(&Filter::default()).unwrap().rows.len(), 1);
        assert_eq!(reader.audits(&Filter::default()).unwrap().rows.len(), 1);
        let found = reader.detections(&Filter::default()).unwrap();
        assert!(found.rows.is_empty() && found.completeness.complete, "{:?}", found.completeness.reasons);
    }
    let mut journal = open(dir.path());
    append(&mut journal, &[Record::Detection(Box::new(detection(1, 101, 10, "secret-sweep")))]);
    assert_eq!(versions(dir.path()), [2, 3]);
    let found = reader(dir.path()).detections(&Filter::default()).unwrap().rows;
    assert_eq!(found[0].workload.as_deref(), Some("shop/checkout-0/checkout"));
    assert_eq!(found[0].binary.as_deref(), Some("/usr/bin/checkout"));
}
