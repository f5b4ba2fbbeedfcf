//! What is put in comes out, with names, and with what is missing.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use cofferdam_journal::{Entry, RowId};
use cofferdam_model::*;
use common::*;

fn shop(journal: &mut cofferdam_journal::Journal) {
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    let mut refused = access(2, 102, 20, volume("creds", "password"));
    refused.verdict = Verdict::Denied;
    refused.denied_by = Some(DeniedBy::Us);
    let mut leak = connection(1, 102, 20, "203.0.113.7");
    leak.tainted_by = vec!["shop/volume/creds:password".to_owned()];
    set_now(at(60));
    append(
        journal,
        &[
            Record::Workload(container(101, "checkout")),
            Record::Workload(container(102, "poisoned")),
            Record::Process(program(10, 101, "/usr/bin/checkout")),
            Record::Process(program(20, 102, "/tmp/sweep")),
            Record::Secret {
                secret: SecretRef { key: None, ..volume("creds", "") },
                path: Some("/var/lib/kubelet/pods/x/volumes/creds".to_owned()),
                visible_to: vec![WorkloadId(101), WorkloadId(102)],
                since: at(1),
                until: None,
            },
            Record::Access(access(1, 101, 10, volume("creds", "password"))),
            Record::Access(refused),
            Record::Connection(leak),
            Record::Connection(connection(2, 101, 10, "10.0.0.5")),
            Record::Exit { process: process_key(20), exec: exec_of(20), at: at(30) },
        ],
    );
}

#[test]
fn an_access_comes_back_with_its_workload_process_and_secret() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let answer = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len(), 2);
    let row = &answer.rows[0];
    assert_eq!(row.id, format!("0a1b2c3d-{:x}", access(1, 0, 0, volume("", "")).id.0));
    assert_eq!(row.first.to_string(), "2026-11-22T05:00:10.000000001Z");
    assert_eq!(row.workload.as_deref(), Some("shop/checkout-0/checkout"));
    assert_eq!(row.binary.as_deref(), Some("/usr/bin/checkout"));
    assert_eq!(row.binary_inode.as_deref(), Some("8:1/42"));
    assert_eq!((row.pid, row.ppid, row.uid), (Some(10), Some(1), Some(1000)));
    assert_eq!((row.secret.as_str(), row.key.as_deref()), ("shop/volume/creds", Some("password")));
    assert_eq!(row.image.as_deref(), Some("registry/checkout:1"));
    assert_eq!(row.labels["app"], "checkout");
    assert!(answer.completeness.complete, "{:?}", answer.completeness.reasons);
}

#[test]
fn filters_narrow_by_every_name() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let reader = reader(dir.path());
    let count = |filter: Filter| reader.accesses(&filter).unwrap().rows.len();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count(Filter { workload: text("shop/checkout-0/checkout"), ..Filter::default() }), 1);
    assert_eq!(count(Filter { workload: text("shop/*"), ..Filter::default() }), 2);
    assert_eq!(count(Filter { namespace: text("shop"), ..Filter::default() }), 2);
    assert_eq!(count(Filter { namespace: text("sho"), ..Filter::default() }), 0);
    assert_eq!(count(Filter { pod: text("poisoned-?"), ..Filter::default() }), 1);
    assert_eq!(count(Filter { container: text("checkout"), ..Filter::default() }), 1);
    assert_eq!(count(Filter { container: text(&format!("{:064x}", 101)), ..Filter::default() }), 1);
    assert_eq!(count(Filter { container: text("000000"), ..Filter::default() }), 2);
    assert_eq!(count(Filter { container: text("00000"), ..Filter::default() }), 0);
    assert_eq!(count(Filter { secret: text("shop/volume/creds"), ..Filter::default() }), 2);
    assert_eq!(count(Filter { secret: text("shop/volume/creds:password"), ..Filter::default() }), 2);
    assert_eq!(count(Filter { secret: text("*:token"), ..Filter::default() }), 0);
    assert_eq!(count(Filter { binary: text("/tmp/*"), ..Filter::default() }), 1);
    assert_eq!(count(Filter { verdict: Some(Verdict::Denied), ..Filter::default() }), 1);
    assert_eq!(count(Filter { verdict: Some(Verdict::WouldDeny), ..Filter::default() }), 0);
    assert_eq!(count(Filter { since: Some(moment(11)), ..Filter::default() }), 0);
    assert_eq!(count(Filter { until: Some(moment(10)), ..Filter::default() }), 0);
    assert_eq!(count(Filter { since: Some(moment(10)), until: Some(moment(11)), ..Filter::default() }), 2);
    assert_eq!(count(Filter { limit: Some(1), ..Filter::default() }), 1);
}

#[test]
fn a_limit_keeps_the_latest_rows() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let answer = reader(dir.path()).accesses(&Filter { limit: Some(1), ..Filter::default() }).unwrap();
    assert_eq!(answer.rows[0].binary.as_deref(), Some("/tmp/sweep"));
    assert!(answer.completeness.complete);
}

#[test]
fn the_readers_own_bound_makes_an_answer_incomplete() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let answer = reader(dir.path()).with_most_rows(1).accesses(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len(), 1);
    assert!(!answer.completeness.complete);
    assert!(answer.completeness.reasons[0].contains("more than 1 rows"), "{:?}", answer.completeness.reasons);
}

#[test]
fn connections_are_found_by_what_their_process_had_touched() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let secret = |name: &str| Filter { secret: Some(name.to_owned()), ..Filter::default() };
    let reader = reader(dir.path());
    let tainted = reader.connections(&secret("shop/volume/creds")).unwrap().rows;
    assert_eq!(tainted.len(), 1);
    assert_eq!(tainted[0].destination.as_deref(), Some("203.0.113.7"));
    assert_eq!(tainted[0].tainted_by, ["shop/volume/creds:password"]);
    assert_eq!(reader.connections(&secret("other")).unwrap().rows.len(), 0);
    assert_eq!(reader.connections(&Filter::default()).unwrap().rows.len(), 2);
}

#[test]
fn a_timeline_holds_programs_accesses_and_connections_of_one_workload() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let filter = Filter { pod: Some("poisoned-0".to_owned()), ..Filter::default() };
    let timeline = reader(dir.path()).timeline(&filter).unwrap();
    assert_eq!(timeline.processes.rows.len(), 1);
    let program = &timeline.processes.rows[0];
    assert_eq!(program.binary.as_deref(), Some("/tmp/sweep"));
    assert_eq!(program.ended, Some(moment(30)));
    assert_eq!(program.parent, Some(format!("0a1b2c3d-{:x}", exec_of(1).0)));
    assert_eq!((timeline.accesses.rows.len(), timeline.connections.rows.len()), (1, 1));
}

#[test]
fn secrets_tell_who_may_see_them_and_who_has() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let answer = reader(dir.path()).secrets(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len(), 1);
    let row = &answer.rows[0];
    assert_eq!(
        (row.secret.as_str(), row.keys.as_slice()),
        ("shop/volume/creds", &["password".to_owned()][..])
    );
    assert_eq!(row.visible_to, ["shop/checkout-0/checkout", "shop/poisoned-0/poisoned"]);
    assert_eq!(row.accessed_by, row.visible_to);
    assert_eq!(row.accesses, 2);
    assert_eq!(row.path.as_deref(), Some("/var/lib/kubelet/pods/x/volumes/creds"));
}

#[test]
fn workloads_are_listed_with_what_is_known_of_them() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let answer = reader(dir.path()).workloads(&Filter::default()).unwrap();
    let names: Vec<&str> = answer.rows.iter().map(|row| row.workload.as_str()).collect();
    assert_eq!(names, ["shop/checkout-0/checkout", "shop/poisoned-0/poisoned"]);
    assert_eq!(answer.rows[0].credential_variables, ["DB_PASSWORD"]);
    assert_eq!((answer.rows[0].kind.as_str(), answer.rows[0].cgroup_id), ("pod-container", 101));
}

#[test]
fn a_row_is_found_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let reader = reader(dir.path());
    let timeline = reader.timeline(&Filter::default()).unwrap();
    for row in &timeline.accesses.rows {
        let id: RowId = row.id.parse().unwrap();
        assert_eq!(reader.entry(&id).unwrap(), Some(Entry::Access(Box::new(row.clone()))));
    }
    for row in &timeline.connections.rows {
        let id: RowId = row.id.parse().unwrap();
        assert_eq!(reader.entry(&id).unwrap(), Some(Entry::Connection(Box::new(row.clone()))));
    }
    for row in &timeline.processes.rows {
        let id: RowId = row.id.parse().unwrap();
        assert_eq!(reader.entry(&id).unwrap(), Some(Entry::Process(Box::new(row.clone()))));
    }
    assert_eq!(reader.entry(&"0a1b2c3d-1".parse().unwrap()).unwrap(), None);
    assert!("0a1b2c3d".parse::<RowId>().is_err());
}

#[test]
fn what_exceeded_a_budget_is_a_row_without_a_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    shop(&mut journal);
    let mut rest = access(9, 101, 0, volume("creds", "password"));
    (rest.process, rest.exec, rest.total) = (None, None, 500);
    append(&mut journal, &[Record::Access(rest)]);
    let answer = reader(dir.path()).accesses(&Filter::default()).unwrap();
    let row = answer.rows.last().unwrap();
    assert_eq!((row.pid, row.binary.as_deref(), row.count), (None, None, 500));
    assert_eq!(answer.completeness.over_budget, 500);
    assert!(answer.completeness.complete);
}

#[test]
fn names_that_arrive_late_count_for_what_happened_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &[]).unwrap();
    append(&mut journal, &[Record::Access(access(1, 101, 10, volume("creds", "k")))]);
    let by_name = Filter { pod: Some("checkout-0".to_owned()), ..Filter::default() };
    let before = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert_eq!((before.rows[0].workload.as_deref(), before.completeness.unknown_workloads), (None, 1));
    assert!(!before.completeness.complete);
    let asked = reader(dir.path()).accesses(&by_name).unwrap();
    assert_eq!((asked.rows.len(), asked.completeness.unknown_workloads), (0, 1));

    // The next segment is where the names arrive.
    journal.roll().unwrap();
    let mut bare = container(101, "checkout");
    (bare.namespace, bare.pod, bare.container, bare.image) = (None, None, None, None);
    bare.labels.clear();
    append(&mut journal, &[Record::Workload(bare)]);
    append(&mut journal, &[Record::Workload(container(101, "checkout"))]);
    append(&mut journal, &[Record::Process(program(10, 101, "/usr/bin/checkout"))]);
    set_now(at(60));
    append(&mut journal, &[]);
    let after = reader(dir.path()).accesses(&by_name).unwrap();
    assert_eq!(after.rows[0].workload.as_deref(), Some("shop/checkout-0/checkout"));
    assert_eq!(after.rows[0].binary.as_deref(), Some("/usr/bin/checkout"));
    assert_eq!(after.rows[0].labels["app"], "checkout");
    assert!(after.completeness.complete, "{:?}", after.completeness.reasons);
}

#[test]
fn labels_are_those_at_the_time_of_the_access() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    append(&mut journal, &[Record::Workload(container(101, "checkout"))]);
    append(&mut journal, &[Record::Access(access(0, 101, 10, volume("creds", "k")))]);
    let mut relabelled = container(101, "checkout");
    relabelled.labels.insert("quarantine".to_owned(), "yes".to_owned());
    set_now(at(20));
    append(&mut journal, &[Record::Workload(relabelled.clone())]);
    append(&mut journal, &[Record::Access(access(20 * SECOND, 101, 10, volume("creds", "k")))]);
    // A restarted agent knows less at first; that takes nothing away.
    relabelled.labels.clear();
    append(&mut journal, &[Record::Workload(relabelled)]);
    journal.roll().unwrap();
    let rows = reader(dir.path()).accesses(&Filter::default()).unwrap().rows;
    assert!(!rows[0].labels.contains_key("quarantine"));
    assert_eq!(rows[1].labels["quarantine"], "yes");
    assert_eq!(reader(dir.path()).workloads(&Filter::default()).unwrap().rows[0].labels.len(), 2);
}

#[test]
fn a_target_is_named_with_its_workload_and_program() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    shop(&mut journal);
    let mut peek = access(5, 102, 20, volume("creds", "k"));
    peek.how = AccessKind::Environ;
    peek.secret = SecretRef {
        kind: SecretKind::Environment,
        namespace: None,
        name: "environment".to_owned(),
        pod_uid: None,
        uid: None,
        key: None,
        owner: Some(WorkloadId(101)),
    };
    peek.target = Some(Target {
        process: process_key(10),
        workload: WorkloadId(101),
        cgroup: CgroupId(101),
        relation: TargetRelation::Other,
    });
    append(&mut journal, &[Record::Access(peek)]);
    let rows = reader(dir.path()).accesses(&Filter::default()).unwrap().rows;
    let target = rows[2].target.as_ref().unwrap();
    assert_eq!(target.workload.as_deref(), Some("shop/checkout-0/checkout"));
    assert_eq!((target.binary.as_deref(), target.pid), (Some("/usr/bin/checkout"), 10));
    assert_eq!(rows[2].secret, "environment");
}

#[test]
fn the_latest_clock_of_a_boot_wins() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    append(&mut journal, &[Record::Access(access(0, 101, 10, volume("creds", "k")))]);
    let stepped = Clock { booted: "2026-11-22T06:00:00Z".parse().unwrap() };
    journal.append(&stepped, &boot(), &[]).unwrap();
    let rows = reader(dir.path()).accesses(&Filter::default()).unwrap().rows;
    assert_eq!(rows[0].first.to_string(), "2026-11-22T06:00:10.000000000Z");
}

#[test]
fn a_responder_reads_the_views_with_any_sqlite_tool() {
    let dir = tempfile::tempdir().unwrap();
    shop(&mut open(dir.path()));
    let file = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "sqlite")).unwrap();
    let conn = rusqlite::Connection::open(file).unwrap();
    let row: (String, String, String, String) = conn
        .query_row(
            "SELECT first, workload, binary, secret FROM accesses WHERE verdict = 'denied'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(row.0, "2026-11-22T05:00:10.000000002Z");
    assert_eq!((row.1.as_str(), row.2.as_str()), ("shop/poisoned-0/poisoned", "/tmp/sweep"));
    assert_eq!(row.3, "shop/volume/creds");
    let ended: String =
        conn.query_row("SELECT ended FROM processes WHERE pid = 20", [], |row| row.get(0)).unwrap();
    assert_eq!(ended, "2026-11-22T05:00:30.000000000Z");
    let to: String = conn
        .query_row("SELECT destination FROM connections WHERE tainted_by IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(to, "203.0.113.7");
}
