//! One segment as a database: making, opening, checking and closing it.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use cofferdam_model::WallTime;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::Error;
use crate::error::Doing;
use crate::segment::{SegmentFile, remove_database};

/// Version of `schema.sql`, kept in `user_version`.
pub(crate) const SCHEMA_VERSION: i64 = 3;
/// Those before: without detections, and the first without rules, attempts and audits as well. Such files are read, and
/// shed, but no rows are added.
const FORMER_VERSIONS: std::ops::RangeInclusive<i64> = WITHOUT_RULES..=2;
/// The first version.
const WITHOUT_RULES: i64 = 1;
/// "Cofd" in `application_id`, so that `file` and we know whose it is.
const APPLICATION_ID: i64 = 0x436f_6664;
const SCHEMA: &str = include_str!("schema.sql");
/// Tables that a file [`WITHOUT_RULES`] lacks.
const ENFORCEMENT: &str = include_str!("enforcement.sql");
/// The table that all of [`FORMER_VERSIONS`] lack.
const DETECTION: &str = include_str!("detection.sql");
/// How long a statement waits for another connection's lock before it gives up.
const BUSY: Duration = Duration::from_secs(2);
/// The same where the writer can as well come back later: it must not keep the next batch waiting for a question.
const BUSY_CLOSED: Duration = Duration::from_millis(100);

/// Makes a segment in full before it gets its name, so that no reader ever sees half of one.
/// `fill` puts in what is carried over from the segment before.
pub(crate) fn create(
    file: &SegmentFile,
    fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), Error> {
    let path = file.unfinished();
    remove_database(&path).doing("remove the unfinished segment", &path)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .doing("make the segment", &path)?;
    make(&path, file.opened, fill).doing("make a new journal segment", &path).inspect_err(|_| {
        let _ = remove_database(&path);
    })?;
    fs::rename(&path, &file.path).doing("name the new segment", &path)?;
    if let Some(dir) = file.path.parent() {
        fs::File::open(dir).and_then(|dir| dir.sync_all()).doing("sync the journal's directory", dir)?;
    }
    Ok(())
}

fn make(
    path: &Path,
    opened: WallTime,
    fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Shedding one workload's rows gives pages back to the disk only with this, and only if set before any table.
    conn.pragma_update(None, "auto_vacuum", "incremental")?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.execute_batch(&format!(
        "BEGIN; {ENFORCEMENT} {DETECTION} {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    ))?;
    conn.execute("INSERT INTO segment (one, opened_ns) VALUES (1, ?1)", [opened.as_nanos()])?;
    fill(&conn)?;
    conn.close().map_err(|(_, e)| e)
}

/// Opens a segment of the present schema to write rows into it.
///
/// WAL with `synchronous = NORMAL`: a commit is in the page cache before it returns, so that a killed agent loses
/// nothing; a power cut may lose the commits since the last checkpoint, but never tears the file.
pub(crate) fn open_to_write(file: &SegmentFile, checkpoint_pages: u32) -> Result<Connection, Error> {
    let conn = open_existing(&file.path)?;
    check_version(&conn, &file.path)?;
    (|| -> rusqlite::Result<()> {
        conn.busy_timeout(BUSY)?;
        conn.pragma_update(None, "journal_mode", "wal")?;
        conn.pragma_update(None, "synchronous", "normal")?;
        conn.pragma_update(None, "cache_size", -4096)?;
        conn.pragma_update(None, "wal_autocheckpoint", checkpoint_pages)?;
        conn.pragma_update(None, "journal_size_limit", i64::from(checkpoint_pages) * 4096)?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(())
    })()
    .doing("open the journal segment", &file.path)?;
    Ok(conn)
}

/// Opens a segment that is closed, or is to be.
pub(crate) fn open_existing(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).doing("open the journal segment", path)?;
    (|| -> rusqlite::Result<()> {
        conn.busy_timeout(BUSY_CLOSED)?;
        conn.pragma_update(None, "cache_size", -256)?;
        conn.pragma_update(None, "temp_store", "memory")
    })()
    .doing("open the journal segment", path)?;
    Ok(conn)
}

/// Whose file this is, and whether this version of the program can read it. A file of the former schema reads like
/// one of the present from then on, through this connection.
pub(crate) fn check_version(conn: &Connection, path: &Path) -> Result<(), Error> {
    let read = |pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = read("application_id").doing("read the journal segment", path)?;
    let found = read("user_version").doing("read the journal segment", path)?;
    match (application, found) {
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(()),
        (APPLICATION_ID, found) if FORMER_VERSIONS.contains(&found) => {
            read_as_present(conn, found).doing("read the journal segment", path)
        }
        (APPLICATION_ID, found) if found > SCHEMA_VERSION => {
            Err(Error::NewerSchema { path: path.to_owned(), found, known: SCHEMA_VERSION })
        }
        _ => Err(Error::Foreign { path: path.to_owned() }),
    }
}

/// Names of the connection's own go before those of the file.
fn read_as_present(conn: &Connection, found: i64) -> rusqlite::Result<()> {
    let empty = |tables: &str| conn.execute_batch(&tables.replace("CREATE TABLE", "CREATE TEMP TABLE"));
    conn.pragma_update(None, "temp_store", "memory")?;
    empty(DETECTION)?;
    if found != WITHOUT_RULES {
        return Ok(());
    }
    empty(ENFORCEMENT)?;
    conn.execute_batch(
        "CREATE TEMP VIEW decision AS SELECT *, NULL AS rule, 0 AS exception FROM main.decision",
    )
}

/// Whether a segment can be read but not be written any more. What is wrong with one that cannot be read shows when
/// it is opened.
pub(crate) fn is_former(file: &SegmentFile) -> bool {
    let version =
        |conn: Connection| conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    open_existing(&file.path)
        .is_ok_and(|conn| version(conn).is_ok_and(|found| FORMER_VERSIONS.contains(&found)))
}

/// Reads the whole file once; what SQLite finds wrong comes back as its own error for a corrupt file.
pub(crate) fn quick_check(conn: &Connection, path: &Path) -> Result<(), Error> {
    let verdict: String = conn
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .doing("check the journal segment", path)?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(verdict))).doing("check the journal segment", path)
}

/// Opens a segment anew and reads the beginning of what answers are made of.
pub(crate) fn glance(file: &SegmentFile) -> Result<(), Error> {
    look_at_log(&file.path)?;
    let conn = open_to_read(file)?;
    for table in [
        "boots",
        "coverage",
        "workload",
        "process",
        "secret",
        "access",
        "connection",
        "attempt",
        "audit",
        "detection",
    ] {
        let sql = format!("SELECT count(*) FROM (SELECT * FROM {table} LIMIT 1)");
        conn.query_row(&sql, [], |row| row.get::<_, i64>(0)).doing("read the journal segment", &file.path)?;
    }
    Ok(())
}

/// Whether a segment's write-ahead log begins as one: what the writer has just written anew hides damage to the rest.
/// Only the log may be opened beside SQLite, whose locks on the segment itself would go with our descriptor.
fn look_at_log(segment: &Path) -> Result<(), Error> {
    /// <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>: the last bit tells the order of the checksums'
    /// bytes.
    const MAGIC: u32 = 0x377f_0682;
    let mut log = segment.as_os_str().to_owned();
    log.push("-wal");
    let mut magic = [0; 4];
    match File::open(&log).and_then(|mut log| log.read_exact(&mut magic)) {
        Ok(()) if u32::from_be_bytes(magic) & !1 == MAGIC => Ok(()),
        Ok(()) => {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
            let why = "its write-ahead log is none".to_owned();
            Err(rusqlite::Error::SqliteFailure(code, Some(why))).doing("read the journal segment", segment)
        }
        // None, or an empty one.
        Err(_) => Ok(()),
    }
}

/// Turns a segment that nobody writes any more into a single file without a write-ahead log, so that it can be
/// copied and read from anywhere. When a reader is in the way it stays as it is, which is as good but for that.
pub(crate) fn settle(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::ZERO)?;
    let result = conn.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()));
    conn.busy_timeout(BUSY_CLOSED)?;
    match result {
        Err(e)
            if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Opens a segment for reading only: also while it is written, and on a medium that cannot be written.
pub(crate) fn open_to_read(file: &SegmentFile) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let tried = Connection::open_with_flags(&file.path, flags)
        .doing("open the journal segment", &file.path)
        .and_then(|conn| check_version(&conn, &file.path).map(|()| conn));
    let conn = match tried {
        Ok(conn) => conn,
        // A file in WAL mode wants its shared memory beside it. Where it cannot be made and there is no log
        // that would be missed, the file alone is everything.
        Err(Error::Sqlite { .. }) if !file.has_wal() && file.path.exists() => {
            let uri = format!("file:{}?immutable=1", escape(&file.path.to_string_lossy()));
            let conn = Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                .doing("open the journal segment", &file.path)?;
            check_version(&conn, &file.path)?;
            conn
        }
        Err(Error::Sqlite { source, .. })
            if matches!(source.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
                && file.path.exists() =>
        {
            return Err(Error::ReadOnlyMedium { path: file.path.clone(), source });
        }
        Err(error) => return Err(error),
    };
    (|| -> rusqlite::Result<()> {
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(64);
        conn.pragma_update(None, "cache_size", -2048)
    })()
    .doing("open the journal segment", &file.path)?;
    Ok(conn)
}

fn escape(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_find_their_rows_by_the_index_that_is_made_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = SegmentFile::at(dir.path(), WallTime::from_nanos(0));
        create(&file, |_| Ok(())).unwrap();
        let conn = open_to_read(&file).unwrap();
        for (sql, index) in [
            ("SELECT * FROM accesses WHERE workload = 'x'", "access_by_workload (boot=? AND workload=?)"),
            (
                "SELECT * FROM connections WHERE workload = 'x'",
                "connection_by_workload (boot=? AND workload=?)",
            ),
            ("SELECT total FROM access WHERE boot = 1 AND id = 2", "PRIMARY KEY (boot=? AND id=?)"),
            ("SELECT * FROM access WHERE boot = 1 AND workload = 2", "access_by_workload"),
            ("SELECT * FROM attempts WHERE workload = 'x'", "attempt_by_workload (boot=? AND workload=?)"),
            ("SELECT * FROM detection WHERE boot = 1 AND rule = 'x' AND event = 2", "PRIMARY KEY"),
            ("SELECT * FROM process WHERE boot = 1 AND pid = 2 AND start_boot_ns = 3", "process_by_pid"),
            ("SELECT * FROM process WHERE boot = 1 AND workload = 2", "process_by_workload"),
            (
                "SELECT id FROM access INDEXED BY access_by_workload
                 WHERE boot = 1 AND workload = 2 AND (verdict <> 'allowed') = 0 ORDER BY id LIMIT 3",
                "access_by_workload (boot=? AND workload=? AND <expr>=?)",
            ),
        ] {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map([], |row| row.get::<_, String>("detail")).unwrap();
            let plan: Vec<String> = steps.map(Result::unwrap).collect();
            assert!(plan.iter().any(|step| step.contains(index)), "{sql}: {plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
        }
    }
}
