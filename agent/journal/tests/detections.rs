//! What rules have found.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use cofferdam_journal::{Config, Entry, Journal, Notice, ShedCause};
use cofferdam_model::*;
use common::*;

fn found(detection: Detection) -> Record {
    Record::Detection(Box::new(detection))
}

/// Two workloads, of which a rule has found something in each.
fn misused(journal: &mut Journal) {
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    set_now(at(60));
    append(
        journal,
        &[
            Record::Workload(container(101, "checkout")),
            Record::Workload(container(102, "poisoned")),
            Record::Process(program(10, 101, "/usr/bin/checkout")),
            Record::Process(program(20, 102, "/tmp/sweep")),
            Record::Access(access(1, 101, 10, volume("creds", "k"))),
            Record::Access(access(2, 102, 20, volume("creds", "k"))),
            found(Detection {
                severity: Severity::Low,
                secret: None,
                ..detection(1, 101, 10, "denied-again-and-again")
            }),
            found(detection(2, 102, 20, "secret-sweep")),
        ],
    );
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_detection_comes_back_with_its_evidence_workload_process_and_secret() {
    let dir = tempfile::tempdir().unwrap();
    misused(&mut open(dir.path()));
    let reader = reader(dir.path());
    let answer = reader.detections(&Filter::default()).unwrap();
    assert!(answer.completeness.complete, "{:?}", answer.completeness.reasons);
    let row = answer.rows.last().unwrap();
    let event = reader.accesses(&Filter::default()).unwrap().rows.pop().unwrap().id;
    assert_eq!(row.id, format!("{event}/secret-sweep"));
    assert_eq!(row.at.to_string(), "2026-11-22T05:00:10.000000002Z");
    assert_eq!((row.rule.as_str(), row.severity), ("secret-sweep", Severity::High));
    assert_eq!(row.workload.as_deref(), Some("shop/poisoned-0/poisoned"));
    assert_eq!((row.binary.as_deref(), row.pid, row.uid), (Some("/tmp/sweep"), Some(20), Some(1000)));
    assert_eq!((row.secret.as_deref(), row.key.as_deref()), (Some("shop/volume/creds"), Some("k")));
    assert_eq!((&row.evidence, row.told[0].event.as_str()), (&vec![event.clone()], event.as_str()));
    assert_eq!((row.told[0].field.as_str(), row.told[0].value.as_str()), ("process.path", "/tmp/sweep"));
    assert_eq!((row.withheld, row.contain, row.revoke), (3, Contain::Workload, true));
    let entry = reader.entry(&row.id.parse().unwrap()).unwrap();
    assert_eq!(entry, Some(Entry::Detection(Box::new(row.clone()))));
    let other = format!("{event}/unexpected-reader").parse().unwrap();
    assert_eq!(reader.entry(&other).unwrap(), None);
}

#[test]
fn filters_narrow_by_how_bad_it_is_by_rule_workload_secret_and_binary() {
    let dir = tempfile::tempdir().unwrap();
    misused(&mut open(dir.path()));
    let reader = reader(dir.path());
    let rules = |filter: Filter| -> Vec<String> {
        reader.detections(&filter).unwrap().rows.into_iter().map(|row| row.rule).collect()
    };
    let (both, sweep) = (["denied-again-and-again", "secret-sweep"], ["secret-sweep"]);
    assert_eq!(rules(Filter::default()), both);
    assert_eq!(rules(Filter { severity: Some(Severity::Low), ..Filter::default() }), both);
    assert_eq!(rules(Filter { severity: Some(Severity::Medium), ..Filter::default() }), sweep);
    assert_eq!(rules(Filter { severity: Some(Severity::Critical), ..Filter::default() }), [""; 0]);
    assert_eq!(rules(Filter { rule: text("secret-*"), ..Filter::default() }), sweep);
    assert_eq!(rules(Filter { rule: text("sweep"), ..Filter::default() }), [""; 0]);
    assert_eq!(rules(Filter { pod: text("poisoned-*"), ..Filter::default() }), sweep);
    assert_eq!(rules(Filter { secret: text("shop/volume/creds"), ..Filter::default() }), sweep);
    assert_eq!(rules(Filter { secret: text("*:other"), ..Filter::default() }), [""; 0]);
    assert_eq!(rules(Filter { binary: text("/tmp/*"), ..Filter::default() }), sweep);
    assert_eq!(rules(Filter { since: Some(moment(11)), ..Filter::default() }), [""; 0]);
    assert_eq!(rules(Filter { limit: Some(1), ..Filter::default() }), sweep);
}

#[test]
fn a_timeline_holds_what_rules_have_found() {
    let dir = tempfile::tempdir().unwrap();
    misused(&mut open(dir.path()));
    let filter = Filter { pod: text("poisoned-0"), ..Filter::default() };
    assert_eq!(reader(dir.path()).timeline(&filter).unwrap().detections.rows.len(), 1);
}

#[test]
fn a_detection_that_is_told_again_is_one_also_in_the_next_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    for _ in 0..2 {
        append(&mut journal, &[found(detection(1, 102, 20, "secret-sweep"))]);
        append(&mut journal, &[found(detection(1, 102, 20, "secret-sweep"))]);
        journal.roll().unwrap();
    }
    append(&mut journal, &[found(detection(1, 102, 20, "unexpected-reader"))]);
    let rows = reader(dir.path()).detections(&Filter::default()).unwrap().rows;
    let rules: Vec<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
    assert_eq!(rules, ["secret-sweep", "unexpected-reader"], "two rules may find something in one event");
}

#[test]
fn the_view_says_the_same_to_any_sqlite_tool() {
    let dir = tempfile::tempdir().unwrap();
    misused(&mut open(dir.path()));
    let mut paths = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.extension().is_some_and(|end| end == "sqlite")).unwrap();
    let db = rusqlite::Connection::open(path).unwrap();
    let one = |columns: &str| {
        let sql = format!("SELECT {columns} FROM detections WHERE severity = 'high'");
        db.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let row = reader(dir.path()).detections(&Filter::default()).unwrap().rows.pop().unwrap();
    assert_eq!(one("id"), row.id);
    assert_eq!(
        one("at || ' ' || workload || ' ' || binary || ' ' || secret || ' ' || contain || ' ' || revoke"),
        "2026-11-22T05:00:10.000000002Z shop/poisoned-0/poisoned /tmp/sweep shop/volume/creds workload 1"
    );
    let told: Vec<ToldRow> = serde_json::from_str(&one("told")).unwrap();
    let evidence: Vec<String> = serde_json::from_str(&one("evidence")).unwrap();
    assert_eq!((told, evidence), (row.told, row.evidence));
}

#[test]
fn a_workload_s_flood_does_not_push_out_what_rules_have_found_of_it() {
    let dir = quick_dir();
    let mut journal = Journal::open(dir.path(), Config { max_size: 8 << 20, ..config() }).unwrap();
    append(
        &mut journal,
        &[Record::Workload(container(102, "loud")), found(detection(0, 102, 20, "secret-sweep"))],
    );
    let mut shed = 0;
    for round in 1..120 {
        set_now(at(11 + round));
        let batch: Vec<Record> = (0..2_000)
            .map(|n| Record::Access(access(round * SECOND + n, 102, 20, volume("creds", "k"))))
            .collect();
        for notice in journal.append(&clock(), &boot(), &batch).unwrap().notices {
            match notice {
                Notice::Shed { cause: ShedCause::Quota, events, .. } => shed += events,
                other => panic!("{other}"),
            }
        }
    }
    assert!(shed > 0);
    assert_eq!(reader(dir.path()).detections(&Filter::default()).unwrap().rows.len(), 1);
}

#[test]
fn what_was_written_is_read_back_as_the_records_that_it_was_in_the_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let reached = Target {
        relation: TargetRelation::Sibling,
        process: process_key(10),
        workload: WorkloadId(101),
        cgroup: CgroupId(101),
    };
    let tainted = vec!["shop/volume/creds:k".to_owned()];
    let records = [
        Record::Workload(container(101, "checkout")),
        Record::Process(program(10, 101, "/usr/bin/checkout")),
        Record::Access(Access {
            target: Some(reached),
            uid: Some(7),
            ..access(1, 101, 10, volume("creds", "k"))
        }),
        Record::Connection(Connection { tainted_by: tainted, ..connection(1, 101, 10, "10.0.0.5") }),
        Record::Attempt(attempt(1, 101, 10, "/tmp/x")),
        Record::Exit { process: process_key(10), exec: exec_of(10), at: at(27) },
        Record::Workload(Workload { until: Some(at(28)), ..container(101, "checkout") }),
    ];
    append(&mut journal, &records);
    let mut told = Vec::new();
    let answer = reader(dir.path()).records(|chapter| {
        assert_eq!((&chapter.boot, chapter.clock), (&boot(), clock()));
        told.extend(chapter.records);
    });
    assert_eq!(told, records);
    assert!(!answer.unwrap().completeness.complete, "no agent has said that it watched");
}
