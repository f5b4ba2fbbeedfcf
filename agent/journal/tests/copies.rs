//! A journal is read while it is written, and where it was copied to.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

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
#[ignore = "runs in a mount namespace that a_closed_journal_is_read_from_a_medium_that_cannot_be_written makes"]
fn child_on_a_read_only_medium() {
    let Some(dir) = std::env::var_os("JOURNAL_DIR").map(std::path::PathBuf::from) else { return };
    assert!(std::fs::write(dir.join("x"), "").is_err());
    let answer = reader(&dir).accesses(&Filter::default()).unwrap();
    let mut reasons = answer.completeness.reasons;
    reasons
        .retain(|reason| !reason.contains("hooks were attached") && !reason.contains("could not be named"));
    println!("{} rows {reasons:?}", answer.rows.len());
}

/// Needs root: a read-only mount in a namespace of its own, so that nothing is left behind.
#[test]
fn a_closed_journal_is_read_from_a_medium_that_cannot_be_written() {
    let (dir, torn) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = filled(dir.path());
    copy(dir.path(), torn.path(), "-shm");
    drop(journal);
    let made = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !made {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let mount = "mount --bind \"$JOURNAL_DIR\" \"$JOURNAL_DIR\" && mount -o remount,bind,ro \"$JOURNAL_DIR\" \
                 && exec \"$0\" \"$@\"";
    for (dir, rows, reason) in
        [(dir, "5 rows", "[]"), (torn, "3 rows", "copy the journal's directory to one")]
    {
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", mount])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child_on_a_read_only_medium", "--ignored", "--nocapture"])
            .env("JOURNAL_DIR", dir.path())
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(rows) && text.contains(reason), "{text}");
    }
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
    journal.begin_coverage(&clock(), &boot(), at(1_000), &[]).unwrap();
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
                // It never claims to have seen more than the rows that it gives.
                let until = (answer.until.unwrap().as_nanos() - moment(1_000).as_nanos()) / SECOND as i64;
                assert!(i64::try_from(seen / 4).unwrap() >= until, "{seen} rows until {until}");
            }
        });
        for n in 0..100 {
            let batch: Vec<Record> =
                (0..4).map(|i| Record::Access(access(n * 4 + i, 101, 10, volume("creds", "k")))).collect();
            journal.append_seen(&clock(), &boot(), &batch, at(1_001 + n)).unwrap();
            if n % 20 == 10 {
                journal.roll().unwrap();
            }
        }
        asking.join().unwrap();
    });
}
