//! A journal is read while it is written, and where it was copied to.

mod common;

use std::os::unix::fs::PermissionsExt as _;

use cofferdam_model::*;
use common::*;

fn copy(from: &std::path::Path, to: &std::path::Path, leave_out: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if leave_out.is_empty() || !path.to_string_lossy().ends_with(leave_out) {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

fn filled(dir: &std::path::Path) -> cofferdam_journal::Journal {
    let mut journal = open(dir);
    for n in 0..5 {
        append(&mut journal, &[Record::Access(access(n, 101, 10, volume("creds", "k")))]);
        if n == 2 {
            journal.roll().unwrap();
        }
    }
    journal
}

#[test]
fn a_copy_taken_from_under_the_writer_has_every_row() {
    for leave_out in ["", "-shm"] {
        let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let journal = filled(dir.path());
        copy(dir.path(), copied.path(), leave_out);
        let here = reader(dir.path()).accesses(&Filter::default()).unwrap();
        assert_eq!(here.rows.len(), 5);
        assert_eq!(reader(copied.path()).accesses(&Filter::default()).unwrap(), here);
        drop(journal);
    }
}

#[test]
fn a_closed_journal_is_read_from_a_medium_that_cannot_be_written() {
    let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(filled(dir.path()));
    copy(dir.path(), copied.path(), "");
    let names = |dir: &std::path::Path| {
        let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(copied.path());
    for entry in std::fs::read_dir(copied.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    }
    std::fs::set_permissions(copied.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let rows = reader(copied.path()).accesses(&Filter::default()).unwrap().rows;
    std::fs::set_permissions(copied.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(rows.len(), 5);
    assert!(before.iter().all(|name| names(copied.path()).contains(name)));
}

#[test]
fn a_closed_segment_is_a_single_file() {
    let dir = tempfile::tempdir().unwrap();
    let journal = filled(dir.path());
    let mut names: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let ends: Vec<&str> =
        names.iter().map(|name| name.split_once("Z.").map_or(name.as_str(), |n| n.1)).collect();
    assert_eq!(ends, ["sqlite", "sqlite", "sqlite-shm", "sqlite-wal", "journal.lock", "journal.reserve"]);
    drop(journal);
}

#[test]
fn files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let journal_dir = dir.path().join("journal");
    let _journal = filled(&journal_dir);
    assert_eq!(std::fs::metadata(&journal_dir).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&journal_dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn questions_asked_while_the_journal_is_written_see_whole_batches() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    append(&mut journal, &[]);
    let reader = reader(dir.path());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut seen = 0;
            while seen < 400 {
                let answer = reader.accesses(&Filter::default()).unwrap();
                assert_eq!(answer.rows.len() % 4, 0, "{:?}", answer.completeness);
                assert!(answer.rows.len() >= seen);
                assert!(
                    answer.completeness.reasons.iter().all(|reason| !reason.contains("could not be read"))
                );
                seen = answer.rows.len();
            }
        });
        for n in 0..100 {
            let batch: Vec<Record> =
                (0..4).map(|i| Record::Access(access(n * 4 + i, 101, 10, volume("creds", "k")))).collect();
            append(&mut journal, &batch);
            if n % 20 == 10 {
                journal.roll().unwrap();
            }
        }
        asking.join().unwrap();
    });
}
