//! A copied journal is evidence from elsewhere: whatever stands in it, reading it gives an answer, an incomplete one, or
//! an error, and never a panic.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cofferdam_journal::Reader;
use cofferdam_model::*;
use common::*;
use proptest::prelude::*;
use rusqlite::Connection as Database;
use rusqlite::types::Value;

const NAME: &str = "journal-20261122T050000.000000000Z.sqlite";

/// A journal with something in every table, as one closed file whose columns take values of any type.
static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = quick_dir();
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &["open".to_owned()]).unwrap();
    let mut peek = access(5, 101, 10, volume("creds", "k"));
    peek.how = AccessKind::Environ;
    peek.target = Some(Target {
        process: process_key(10),
        workload: WorkloadId(101),
        cgroup: CgroupId(101),
        relation: TargetRelation::Sibling,
    });
    let mut call = connection(0, 101, 10, "203.0.113.7");
    call.tainted_by = vec!["shop/volume/creds:k".to_owned()];
    let loss = Loss {
        since: at(10),
        until: at(11),
        hook: "open".to_owned(),
        workload: Some(WorkloadId(101)),
        reason: LossReason::RingFull,
        count: 3,
    };
    let records = [
        Record::Workload(container(101, "checkout")),
        Record::Process(program(10, 101, "/usr/bin/checkout")),
        Record::Access(access(0, 101, 10, volume("creds", "k"))),
        Record::Access(peek),
        Record::Connection(call),
        Record::Attempt(attempt(0, 101, 10, "/tmp/x")),
        Record::Audit(audit(26, AuditKind::Contained, "order")),
        Record::Detection(Box::new(detection(0, 101, 10, "secret-sweep"))),
        Record::Loss(loss),
    ];
    journal.append_seen(&clock(), &boot(), &records, at(30)).unwrap();
    drop(journal);
    let path = the_segment(dir.path());
    let db = Database::open(&path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = delete; PRAGMA writable_schema = on;
         UPDATE sqlite_schema SET sql = replace(replace(sql, ') STRICT, WITHOUT', ') WITHOUT'), ') STRICT', ')');",
    )
    .unwrap();
    drop(db);
    std::fs::read(path).unwrap()
});

fn the_segment(dir: &Path) -> PathBuf {
    let mut paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|end| end == "sqlite")).unwrap()
}

/// The sample in a directory of its own.
fn copied() -> tempfile::TempDir {
    let dir = quick_dir();
    std::fs::write(dir.path().join(NAME), &*SAMPLE).unwrap();
    dir
}

/// Every question; returns how complete the answers are that were given.
fn ask_everything(dir: &Path) -> Vec<Completeness> {
    let Ok(reader) = Reader::open(dir) else { return Vec::new() };
    let narrow = Filter {
        workload: Some("*".to_owned()),
        secret: Some("*cred*".to_owned()),
        since: Some(moment(2)),
        until: Some(moment(25)),
        limit: Some(2),
        ..Filter::default()
    };
    let mut told = Vec::new();
    for filter in [Filter::default(), narrow] {
        told.extend(reader.accesses(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.connections(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.attempts(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.audits(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.detections(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.records(|_| ()).map(|answer| answer.completeness));
        told.extend(reader.denials(&filter).map(|denials| denials.attempts.completeness));
        told.extend(reader.processes(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.workloads(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.secrets(&filter).map(|answer| written(&answer, &answer.completeness)));
        told.extend(reader.timeline(&filter).map(|answer| answer.accesses.completeness));
        told.extend(reader.evidence(&filter).map(|evidence| {
            let (_, _) = (evidence.accesses(), evidence.connections(&[vec![WallTime::from_nanos(0)]]));
            evidence.completeness().completeness
        }));
    }
    told
}

/// An answer can be written down.
fn written(answer: &impl serde::Serialize, completeness: &Completeness) -> Completeness {
    serde_json::to_string(answer).unwrap();
    completeness.clone()
}

/// Every column of every table.
fn columns() -> Vec<(String, String)> {
    let dir = copied();
    let db = Database::open(dir.path().join(NAME)).unwrap();
    let mut statement = db
        .prepare(
            "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c
             WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
        )
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn overwrite(dir: &Path, table: &str, column: &str, value: &Value) {
    let db = Database::open(dir.join(NAME)).unwrap();
    // A row's own number takes nothing but numbers, whoever made the file.
    let _ = db.execute(&format!("UPDATE OR IGNORE {table} SET \"{column}\" = ?1"), [value]);
}

fn nonsense() -> impl Strategy<Value = Value> {
    let deep = || format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), Just(0)].prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        "\\PC{0,40}".prop_map(Value::Text),
        "[\\[\\]{}\",:0-9a-z\\\\\u{1b}\n]{0,40}".prop_map(Value::Text),
        Just(Value::Text(deep())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Blob),
    ]
}

#[test]
fn the_sample_itself_is_read_whole() {
    let dir = copied();
    let answers = ask_everything(dir.path());
    assert_eq!(answers.len(), 24);
    let unread = |told: &Completeness| told.reasons.iter().any(|why| why.contains("could not be read"));
    assert!(!answers.iter().any(unread), "{answers:?}");
    assert!(columns().len() > 80, "{:?}", columns());
}

/// No JSON, or other JSON than a list or a map of texts.
const NO_LISTS: &[&str] = &["{", "7", "[7]", "{\"a\":7}", "null", ""];

#[test]
fn a_list_that_is_none_makes_the_answer_incomplete() {
    for (table, column) in
        [("coverage", "hooks"), ("workload", "labels"), ("workload", "credential_variables")]
    {
        for text in NO_LISTS {
            let dir = copied();
            overwrite(dir.path(), table, column, &Value::Text((*text).to_owned()));
            let told = Reader::open(dir.path()).unwrap().workloads(&Filter::default()).unwrap().completeness;
            let said = told.reasons.iter().any(|why| why.contains("could not be read"));
            assert!(!told.complete && said, "{table}.{column} = {text:?}: {told:?}");
        }
    }
}

#[test]
fn a_taint_that_is_no_list_is_shown_as_it_stands() {
    for text in NO_LISTS {
        let dir = copied();
        overwrite(dir.path(), "connection", "tainted_by", &Value::Text((*text).to_owned()));
        let rows = Reader::open(dir.path()).unwrap().connections(&Filter::default()).unwrap().rows;
        assert_eq!(rows[0].tainted_by, [*text]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_stands_in_columns_is_read_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), nonsense()), 1..4),
    ) {
        let (dir, columns) = (copied(), columns());
        for (column, value) in &changes {
            let (table, column) = column.get(&columns);
            overwrite(dir.path(), table, column, value);
        }
        ask_everything(dir.path());
    }

    #[test]
    fn a_damaged_file_is_read_without_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = SAMPLE.clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let dir = quick_dir();
        std::fs::write(dir.path().join(NAME), bytes).unwrap();
        ask_everything(dir.path());
    }

    #[test]
    fn files_of_any_name_beside_a_segment_hide_nothing_of_it(
        names in prop::collection::vec(
            prop_oneof![
                "journal-[-+0-9TZ.:]{0,30}(\\.sqlite)?(\\.corrupt-)?[0-9TZ.x]{0,20}(-wal|-shm|\\.new)?",
                "journal-\\PC{0,30}\\.sqlite(\\.corrupt-\\PC{0,20})?",
            ]
            .prop_map(String::into_bytes),
            0..6,
        ),
        bytes in prop::collection::vec(1..=255u8, 1..30),
    ) {
        let dir = copied();
        let before = Reader::open(dir.path()).unwrap().accesses(&Filter::default()).unwrap().rows;
        prop_assert_eq!(before.len(), 2);
        for name in names.into_iter().chain([bytes]) {
            let path = dir.path().join(OsString::from_vec(name));
            // Some are no names of files, and the segment's own log is a part of it.
            if path.parent() == Some(dir.path()) && !path.to_string_lossy().contains(NAME) {
                let _ = std::fs::write(path, "x");
            }
        }
        let rows = Reader::open(dir.path()).unwrap().accesses(&Filter::default()).unwrap().rows;
        prop_assert_eq!(rows, before);
        ask_everything(dir.path());
    }
}
