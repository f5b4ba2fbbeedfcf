//! What rules decided, and what was done to them.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use cofferdam_journal::{Config, Entry, Journal, Notice, ShedCause};
use cofferdam_model::*;
use common::*;

fn refused(n: u64, workload: u64, pid: u32) -> Access {
    Access {
        verdict: Verdict::Denied,
        denied_by: Some(DeniedBy::Us),
        enforced_by: EnforcedBy::Lsm,
        policy: Some("shop/web".to_owned()),
        rule: Some("db".to_owned()),
        generation: 4,
        ..access(n, workload, pid, volume("creds", "k"))
    }
}

fn would_be_refused(n: u64, workload: u64, pid: u32) -> Connection {
    Connection {
        verdict: Verdict::WouldDeny,
        policy: Some("shop/web".to_owned()),
        rule: Some("out".to_owned()),
        ..connection(n, workload, pid, "203.0.113.7")
    }
}

fn excepted(n: u64, workload: u64, pid: u32) -> Attempt {
    Attempt {
        verdict: Verdict::Allowed,
        denied_by: None,
        exception: true,
        ..attempt(n, workload, pid, "/bin/sh")
    }
}

/// One workload is contained, another runs undisturbed.
fn contained(journal: &mut Journal) {
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    set_now(at(60));
    append(
        journal,
        &[
            Record::Workload(container(101, "checkout")),
            Record::Workload(container(102, "poisoned")),
            Record::Process(program(10, 101, "/usr/bin/checkout")),
            Record::Process(program(20, 102, "/tmp/sweep")),
            Record::Audit(audit(3, AuditKind::PolicyApplied, "shop/web")),
            Record::Access(access(1, 101, 10, volume("creds", "k"))),
            Record::Access(refused(2, 102, 20)),
            Record::Connection(connection(1, 101, 10, "10.0.0.5")),
            Record::Connection(would_be_refused(2, 102, 20)),
            Record::Attempt(attempt(1, 102, 20, "/tmp/stage2")),
            Record::Attempt(excepted(2, 101, 10)),
            Record::Audit(Audit {
                workload: Some(WorkloadId(102)),
                by: None,
                ..audit(30, AuditKind::Contained, "order-1")
            }),
        ],
    );
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn an_attempt_comes_back_with_its_rule_workload_and_process() {
    let dir = tempfile::tempdir().unwrap();
    contained(&mut open(dir.path()));
    let answer = reader(dir.path()).attempts(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len(), 2);
    let row = &answer.rows[0];
    assert_eq!(row.at.to_string(), "2026-11-22T05:00:25.000000001Z");
    assert_eq!(row.workload.as_deref(), Some("shop/poisoned-0/poisoned"));
    assert_eq!((row.binary.as_deref(), row.pid, row.uid), (Some("/tmp/sweep"), Some(20), Some(1000)));
    assert_eq!((row.what, row.object.as_str()), (AttemptKind::Execute, "/tmp/stage2"));
    assert_eq!(row.object_origin, Some(BinaryOrigin::Written));
    assert_eq!((row.policy.as_deref(), row.rule.as_deref()), (Some("shop/web"), Some("ex")));
    assert_eq!((row.verdict, row.denied_by, row.generation), (Verdict::Denied, Some(DeniedBy::Us), 4));
    assert!(answer.rows[1].exception && !row.exception);
    assert!(answer.completeness.complete, "{:?}", answer.completeness.reasons);
    let entry = reader(dir.path()).entry(&row.id.parse().unwrap()).unwrap();
    assert_eq!(entry, Some(Entry::Attempt(Box::new(row.clone()))));
}

#[test]
fn accesses_and_connections_name_their_rule() {
    let dir = tempfile::tempdir().unwrap();
    contained(&mut open(dir.path()));
    let reader = reader(dir.path());
    let rules: Vec<_> =
        reader.accesses(&Filter::default()).unwrap().rows.into_iter().map(|row| row.rule).collect();
    assert_eq!(rules, [None, text("db")]);
    let rules: Vec<_> =
        reader.connections(&Filter::default()).unwrap().rows.into_iter().map(|row| row.rule).collect();
    assert_eq!(rules, [None, text("out")]);
}

#[test]
fn filters_narrow_attempts_and_those_by_secret_find_none() {
    let dir = tempfile::tempdir().unwrap();
    contained(&mut open(dir.path()));
    let reader = reader(dir.path());
    let count = |filter: Filter| reader.attempts(&filter).unwrap().rows.len();
    assert_eq!(count(Filter { workload: text("shop/poisoned*"), ..Filter::default() }), 1);
    assert_eq!(count(Filter { namespace: text("shop"), ..Filter::default() }), 2);
    assert_eq!(count(Filter { pod: text("checkout-0"), ..Filter::default() }), 1);
    assert_eq!(count(Filter { binary: text("/tmp/*"), ..Filter::default() }), 1);
    assert_eq!(count(Filter { verdict: Some(Verdict::Denied), ..Filter::default() }), 1);
    assert_eq!(count(Filter { verdict: Some(Verdict::Allowed), ..Filter::default() }), 1);
    assert_eq!(count(Filter { verdict: Some(Verdict::WouldDeny), ..Filter::default() }), 0);
    assert_eq!(count(Filter { since: Some(moment(26)), ..Filter::default() }), 0);
    assert_eq!(count(Filter { until: Some(moment(26)), ..Filter::default() }), 2);
    assert_eq!(count(Filter { limit: Some(1), ..Filter::default() }), 1);
    assert_eq!(count(Filter { secret: text("*"), ..Filter::default() }), 0);
}

#[test]
fn denials_are_what_was_refused_or_would_have_been_and_no_exceptions() {
    let dir = tempfile::tempdir().unwrap();
    contained(&mut open(dir.path()));
    let reader = reader(dir.path());
    let counts = |filter: &Filter| {
        let denials = reader.denials(filter).unwrap();
        (denials.accesses.rows.len(), denials.connections.rows.len(), denials.attempts.rows.len())
    };
    assert_eq!(counts(&Filter::default()), (1, 1, 1));
    assert_eq!(counts(&Filter { verdict: Some(Verdict::Denied), ..Filter::default() }), (1, 0, 1));
    assert_eq!(counts(&Filter { verdict: Some(Verdict::WouldDeny), ..Filter::default() }), (0, 1, 0));
    assert_eq!(counts(&Filter { verdict: Some(Verdict::Allowed), ..Filter::default() }), (0, 0, 0));
    assert_eq!(counts(&Filter { workload: text("shop/checkout-0/*"), ..Filter::default() }), (0, 0, 0));
    assert_eq!(counts(&Filter { workload: text("shop/poisoned-0/*"), ..Filter::default() }), (1, 1, 1));
    assert_eq!(counts(&Filter { secret: text("shop/volume/creds"), ..Filter::default() }), (1, 0, 0));
}

#[test]
fn audits_say_who_did_what_to_which_policy_and_workload() {
    let dir = tempfile::tempdir().unwrap();
    contained(&mut open(dir.path()));
    let reader = reader(dir.path());
    let rows = reader.audits(&Filter::default()).unwrap().rows;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].what, rows[0].subject.as_str()), (AuditKind::PolicyApplied, "shop/web"));
    assert_eq!((rows[0].at, rows[0].by), (moment(3), Some(Peer { uid: 0, pid: 77 })));
    assert_eq!((rows[0].workload.as_deref(), rows[0].detail.as_str()), (None, "for a test"));
    assert_eq!((rows[1].workload.as_deref(), rows[1].by), (Some("shop/poisoned-0/poisoned"), None));

    let whats = |filter: Filter| -> Vec<AuditKind> {
        reader.audits(&filter).unwrap().rows.iter().map(|row| row.what).collect()
    };
    assert_eq!(whats(Filter { limit: Some(1), ..Filter::default() }), [AuditKind::Contained]);
    assert_eq!(whats(Filter { until: Some(moment(30)), ..Filter::default() }), [AuditKind::PolicyApplied]);
    assert_eq!(whats(Filter { since: Some(moment(4)), ..Filter::default() }), [AuditKind::Contained]);
    assert_eq!(
        whats(Filter { workload: text("shop/poisoned-0/*"), ..Filter::default() }),
        [AuditKind::Contained]
    );
    assert_eq!(whats(Filter { workload: text("shop/checkout-0/*"), ..Filter::default() }), []);
}

#[test]
fn a_timeline_holds_attempts_and_what_enforcement_did() {
    let dir = tempfile::tempdir().unwrap();
    contained(&mut open(dir.path()));
    let filter = Filter { pod: text("poisoned-0"), ..Filter::default() };
    let timeline = reader(dir.path()).timeline(&filter).unwrap();
    assert_eq!((timeline.attempts.rows.len(), timeline.audits.rows.len()), (1, 1));
}

#[test]
fn an_attempt_that_is_told_again_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    for _ in 0..2 {
        append(&mut journal, &[Record::Attempt(attempt(1, 102, 20, "/tmp/x"))]);
        append(&mut journal, &[Record::Attempt(attempt(1, 102, 20, "/tmp/x"))]);
        journal.roll().unwrap();
    }
    assert_eq!(reader(dir.path()).attempts(&Filter::default()).unwrap().rows.len(), 1);
}

#[test]
fn the_views_say_the_same_to_any_sqlite_tool() {
    let dir = tempfile::tempdir().unwrap();
    contained(&mut open(dir.path()));
    let mut paths = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.extension().is_some_and(|end| end == "sqlite")).unwrap();
    let db = rusqlite::Connection::open(path).unwrap();
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(one("SELECT rule || ' ' || exception FROM accesses WHERE verdict = 'denied'"), "db 0");
    assert_eq!(one("SELECT rule FROM connections WHERE verdict = 'would-deny'"), "out");
    let attempt =
        "SELECT at || ' ' || workload || ' ' || binary || ' ' || what || ' ' || object || ' ' || rule";
    assert_eq!(
        one(&format!("{attempt} FROM attempts WHERE verdict = 'denied'")),
        "2026-11-22T05:00:25.000000001Z shop/poisoned-0/poisoned /tmp/sweep execute /tmp/stage2 ex"
    );
    assert_eq!(
        one("SELECT at || ' ' || what || ' ' || subject FROM audits WHERE workload LIKE '%poisoned'"),
        "2026-11-22T05:00:30.000000000Z contained order-1"
    );
}

#[test]
fn a_workload_s_flood_pushes_out_its_own_ordinary_rows_before_what_was_refused() {
    let dir = quick_dir();
    let mut journal = Journal::open(dir.path(), Config { max_size: 8 << 20, ..config() }).unwrap();
    append(&mut journal, &[Record::Workload(container(102, "loud"))]);
    append(
        &mut journal,
        &[
            Record::Access(refused(0, 102, 20)),
            Record::Connection(would_be_refused(0, 102, 20)),
            Record::Attempt(attempt(0, 102, 20, "/tmp/x")),
            Record::Audit(audit(1, AuditKind::PolicyApplied, "shop/web")),
        ],
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
    let denials = reader(dir.path()).denials(&Filter::default()).unwrap();
    let counts = (denials.accesses.rows.len(), denials.connections.rows.len(), denials.attempts.rows.len());
    assert_eq!(counts, (1, 1, 1));
    assert_eq!(reader(dir.path()).audits(&Filter::default()).unwrap().rows.len(), 1);
}

#[test]
fn what_goes_with_a_segment_is_counted() {
    let dir = quick_dir();
    let config = Config { max_size: 8 << 20, workload_quota: Some(u64::MAX), ..config() };
    let mut journal = Journal::open(dir.path(), config).unwrap();
    let mut put = 0;
    for round in 0..60 {
        set_now(at(26 + round));
        let mut batch: Vec<Record> =
            (0..2_000).map(|n| Record::Attempt(attempt(round * SECOND + n, 102, 20, "/tmp/x"))).collect();
        batch.push(Record::Audit(audit(26 + round, AuditKind::Held, "shop/web")));
        put += batch.len() as u64;
        append(&mut journal, &batch);
    }
    append(&mut journal, &[]);
    append(&mut journal, &[]);
    let reader = reader(dir.path());
    let shed = journal.status().shed;
    let kept = reader.attempts(&Filter::default()).unwrap().rows.len()
        + reader.audits(&Filter::default()).unwrap().rows.len();
    assert!(shed > 0);
    assert_eq!(kept as u64 + shed, put);
    assert_eq!(reader.attempts(&Filter::default()).unwrap().completeness.lost, shed);
}
