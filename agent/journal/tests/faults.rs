//! Kills, corrupt files, full disks, files of other versions.

#![allow(clippy::allow_attributes, clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cofferdam_journal::{Config, Error, Journal, Notice, ShedCause};
use cofferdam_model::*;
use common::*;

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "sqlite"))
        .collect();
    paths.sort();
    paths
}

fn rows(dir: &Path) -> usize {
    reader(dir).accesses(&Filter::default()).unwrap().rows.len()
}

/// Runs an ignored test of this binary in a process of its own.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("JOURNAL_DIR", dir)
        .stdout(Stdio::piped());
    command
}

#[test]
#[ignore = "the process that kill_loses_nothing_that_was_committed kills"]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os("JOURNAL_DIR") else { return };
    let mut journal = Journal::open(PathBuf::from(dir), config()).unwrap();
    for n in 0_u64.. {
        let batch: Vec<Record> =
            (0..10).map(|i| Record::Access(access(n * 10 + i, 101, 10, volume("creds", "k")))).collect();
        append(&mut journal, &batch);
        if n % 7 == 6 {
            journal.roll().unwrap();
        }
        println!("committed {}", (n + 1) * 10);
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn kill_loses_nothing_that_was_committed() {
    for batches in [1, 5, 13, 40] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = child("child_that_writes_until_it_is_killed", dir.path()).spawn().unwrap();
        let mut committed = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(count) = line.unwrap().strip_prefix("committed ") {
                committed = count.parse().unwrap();
            }
            if committed >= batches * 10 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(rows(dir.path()) >= committed, "before the journal is opened again");
        let mut journal = open(dir.path());
        append(&mut journal, &[Record::Access(access(1 << 40, 101, 10, volume("creds", "k")))]);
        let found = rows(dir.path());
        assert!(
            found > committed && found % 10 == 1,
            "{found} rows of {committed}: whole batches and the new row"
        );
    }
}

#[test]
fn a_corrupt_segment_is_set_aside_at_start_and_a_new_one_begun() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    append(&mut journal, &[Record::Access(access(0, 101, 10, volume("creds", "k")))]);
    journal.roll().unwrap();
    append(&mut journal, &[Record::Access(access(1, 101, 10, volume("creds", "k")))]);
    drop(journal);
    let newest = segments(dir.path()).pop().unwrap();
    std::fs::write(
        &newest,
        b"this is no database, but it is as long as one may think a header has to be............",
    )
    .unwrap();

    let mut journal = open(dir.path());
    let committed = journal
        .append(&clock(), &boot(), &[Record::Access(access(2, 101, 10, volume("creds", "k")))])
        .unwrap();
    let Notice::SetAside { path, .. } = &committed.notices[0] else { panic!("{:?}", committed.notices) };
    assert!(std::fs::read(path).unwrap().starts_with(b"this is no database"));
    assert!(path.to_string_lossy().contains(".sqlite.corrupt-"));
    assert_eq!(journal.status().set_aside, std::slice::from_ref(path));
    let answer = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len(), 2);
    let reasons = answer.completeness.reasons.join("\n");
    assert!(!answer.completeness.complete && reasons.contains("set aside as corrupt"), "{reasons}");
}

/// Overwrites the pages of a database from the second on, as a failing disk would.
fn scribble(path: &Path) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    for page in 1..length / 4096 {
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
}

#[test]
fn a_segment_that_becomes_corrupt_while_it_is_written_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    let batch: Vec<Record> =
        (0..80_000).map(|n| Record::Access(access(n, 101 + n % 50, 10, volume("creds", "k")))).collect();
    append(&mut journal, &batch);
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    drop(journal);
    let mut journal = open(dir.path());
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    scribble(&segments(dir.path())[0]);
    let mut notices = Vec::new();
    for round in 0..4 {
        let batch: Vec<Record> = (0..5_000)
            .map(|n| Record::Access(access(n * 16 + round, 101 + n % 50, 10, volume("creds", "k"))))
            .collect();
        notices.extend(journal.append(&clock(), &boot(), &batch).unwrap().notices);
    }
    assert!(notices.iter().any(|notice| matches!(notice, Notice::SetAside { .. })), "{notices:?}");
    assert!(rows(dir.path()) >= 5_000);
}

#[test]
fn a_segment_that_nobody_can_read_any_more_is_noticed_by_looking_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    append(&mut journal, &[Record::Access(access(0, 101, 10, volume("creds", "k")))]);
    journal.look_after().unwrap();
    assert_eq!(rows(dir.path()), 1, "a sound segment is left alone");

    let newest = segments(dir.path()).pop().unwrap();
    for path in [newest.clone(), newest.with_extension("sqlite-wal")] {
        let length = std::fs::metadata(&path).unwrap().len();
        std::fs::write(&path, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    }
    journal.look_after().unwrap();
    let committed = journal
        .append(&clock(), &boot(), &[Record::Access(access(1, 101, 10, volume("creds", "k")))])
        .unwrap();
    assert!(matches!(committed.notices[..], [Notice::SetAside { .. }]), "{:?}", committed.notices);
    assert_eq!(rows(dir.path()), 1);

    std::fs::remove_file(segments(dir.path()).pop().unwrap()).unwrap();
    journal.look_after().unwrap();
    let committed = journal
        .append(&clock(), &boot(), &[Record::Access(access(2, 101, 10, volume("creds", "k")))])
        .unwrap();
    assert!(matches!(committed.notices[..], [Notice::Gone { .. }]), "{:?}", committed.notices);
    assert_eq!(rows(dir.path()), 1);
}

#[test]
fn an_unreadable_older_segment_makes_answers_incomplete_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(dir.path());
    for n in 0..3 {
        append(&mut journal, &[Record::Access(access(n, 101, 10, volume("creds", "k")))]);
        journal.roll().unwrap();
    }
    let old = segments(dir.path()).remove(1);
    std::fs::write(&old, b"gone").unwrap();
    let answer = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len(), 2);
    let reasons = answer.completeness.reasons.join("\n");
    assert!(reasons.contains("could not be read") && reasons.contains(old.to_str().unwrap()), "{reasons}");
    // The writer goes on as well, and says so once.
    let mut late = access(0, 101, 10, volume("creds", "k"));
    late.total = 5;
    let committed = journal.append(&clock(), &boot(), &[Record::Access(late)]).unwrap();
    assert!(matches!(committed.notices[..], [Notice::Trouble(_)]), "{:?}", committed.notices);
    let rows = reader(dir.path()).accesses(&Filter::default()).unwrap().rows;
    assert_eq!(rows[0].count, 5);
}

#[test]
fn a_segment_of_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = segments(dir.path()).remove(0);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Journal::open(dir.path(), config()).unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 99, .. }));
    assert!(error.to_string().contains("use the newer cofferdam"), "{error}");
    let answer = reader(dir.path()).accesses(&Filter::default()).unwrap();
    assert!(answer.completeness.reasons.iter().any(|reason| reason.contains("schema 99")));
}

#[test]
fn a_database_of_someone_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal-20261122T050000.000000000Z.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let error = Journal::open(dir.path(), config()).unwrap_err();
    assert!(error.to_string().contains("is not a segment of a Cofferdam journal"), "{error}");
}

#[test]
fn what_a_dead_agent_left_half_made_is_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    let half = dir.path().join("journal-20261122T050000.000000000Z.sqlite.new");
    std::fs::write(&half, b"half").unwrap();
    drop(open(dir.path()));
    assert!(!half.exists());
}

#[test]
fn bounds_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = Journal::open(dir.path(), Config { max_size: 1, ..config() }).unwrap_err();
    assert_eq!(error.to_string(), "journal.max_size is 1 bytes: at least 8388608 are needed");
}

#[test]
fn there_is_no_journal_in_an_empty_directory() {
    let dir = tempfile::tempdir().unwrap();
    let error = cofferdam_journal::Reader::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("there is no journal in"), "{error}");
}

#[test]
#[ignore = "runs in a mount namespace that a_full_disk_sheds_the_oldest_and_goes_on makes"]
fn child_on_a_small_disk() {
    let Some(dir) = std::env::var_os("JOURNAL_DIR").map(PathBuf::from) else { return };
    let mut journal = Journal::open(&dir, Config { max_size: 16 << 20, ..config() }).unwrap();
    journal.begin_coverage(&clock(), &boot(), at(1), &["file_open".to_owned()]).unwrap();
    let mut notices = Vec::new();
    for round in 0..60 {
        let batch: Vec<Record> = (0..1_000)
            .map(|n| {
                Record::Access(access(
                    round * 1_000 + n,
                    101 + n % 50,
                    10,
                    volume(&format!("creds-{round}"), "k"),
                ))
            })
            .collect();
        set_now(at(10 + round));
        notices.extend(journal.append(&clock(), &boot(), &batch).unwrap().notices);
    }
    let shed: u64 = notices
        .iter()
        .map(|notice| match notice {
            Notice::Shed { cause: ShedCause::DiskFull, events, .. } => *events,
            other => panic!("{other}"),
        })
        .sum();
    assert!(shed > 0);
    let answer = reader(&dir).accesses(&Filter::default()).unwrap();
    assert_eq!(answer.rows.len() as u64 + shed, 60_000);
    // What an attempt that failed had put into memory is not taken for true.
    for row in &answer.rows {
        let round = (row.first.as_nanos() - moment(10).as_nanos()) / 1_000;
        assert_eq!(row.secret, format!("shop/volume/creds-{round}"));
    }
    assert_eq!(answer.rows.last().unwrap().first, clock().wall(access(59_999, 0, 0, volume("", "")).first));
    let since = Filter { since: Some(moment(10)), ..Filter::default() };
    let since = reader(&dir).accesses(&since).unwrap().completeness;
    assert!(!since.complete, "{since:?}");
    println!("shed {shed}");
}

/// Needs root: a tmpfs in a mount namespace of its own, so that nothing is left behind.
#[test]
fn a_full_disk_sheds_the_oldest_and_goes_on() {
    for size in ["3m", "6m"] {
        let dir = tempfile::tempdir().unwrap();
        let mount = format!("mount -t tmpfs -o size={size} none \"$JOURNAL_DIR\" && exec \"$0\" \"$@\"");
        let made = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
        if !made {
            eprintln!("skipped: a mount namespace needs root");
            return;
        }
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", &mount])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child_on_a_small_disk", "--ignored", "--nocapture"])
            .env("JOURNAL_DIR", dir.path())
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("shed "), "{text}");
    }
}
