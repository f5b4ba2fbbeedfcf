//! From one segment to the next: what is handed over, and how the old one is closed.
//!
//! A segment stands for itself as far as possible: live workloads, running processes and present secrets are
//! carried over, so that rows of today can be explained when yesterday's file is gone.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::earlier::Part;
use super::journal::Journal;
use super::open::begin;
use super::told::Notice;
use super::usage::Usage;
use crate::error::{Doing, Trouble};
use crate::segment::SegmentFile;
use crate::{Config, Error, db};

/// Running processes that are carried over at most, the latest ones; others are looked up in the older file.
const PROCESSES: i64 = 20_000;

/// Pages that the write-ahead log may hold before it is folded in: a 64th of the bound, 1 to 16 MiB.
pub(super) fn checkpoint_pages(config: &Config) -> u32 {
    let pages = (config.max_size / 64 / 4096).clamp(256, 4096);
    u32::try_from(pages).unwrap_or(4096)
}

impl Journal {
    /// Closes the current segment and begins the next; the closed one is a single file from then on (unless someone
    /// is reading it just then). Happens by itself when a segment is old or large enough.
    ///
    /// # Errors
    /// When the new segment could not be made; the current one goes on then.
    pub fn roll(&mut self) -> Result<(), Error> {
        let now = self.now();
        let current = &self.current;
        let next = begin(
            &self.dir,
            &self.config,
            now,
            Some(&current.file),
            self.set_aside.last(),
            &mut self.notices,
        )?;
        let old = std::mem::replace(&mut self.current, next);
        if let Err(error) = close(&old.conn, Some((now.as_nanos(), &old.usage)))
            .doing("close the journal segment", &old.file.path)
        {
            self.notices.push(Notice::Trouble(error));
        }
        drop(old.conn);
        self.plan.clear();
        self.earlier.parts.push(Part::of(old.file));
        self.carry_coverage();
        Ok(())
    }

    /// Rolls when the current segment is old or large enough, before a batch of `records` records.
    pub(super) fn roll_if_due(&mut self, records: usize) {
        let age = self.now().as_nanos().saturating_sub(self.current.file.opened.as_nanos());
        let old = age >= i64::try_from(self.config.segment_span().as_nanos()).unwrap_or(i64::MAX);
        let large = used_bytes(&self.current.conn).is_ok_and(|bytes| bytes >= self.config.segment_size());
        if !old && !large {
            return;
        }
        let full = self.bytes() + self.config.segment_size() > self.config.max_size;
        if !old && full {
            match self.trim_flood(records) {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => self.notices.push(Notice::Trouble(error)),
            }
        }
        match self.roll() {
            Ok(()) => {}
            // The current segment goes on; the next batch tries again.
            Err(error) if error.trouble() == Trouble::Full => {
                if let Err(error) = self.make_room(0) {
                    self.notices.push(Notice::Trouble(error));
                }
            }
            Err(error) => self.notices.push(Notice::Trouble(error)),
        }
    }

    /// Sets the current segment aside and begins a new one.
    pub(super) fn replace_corrupt(&mut self, error: Error) -> Result<(), Error> {
        let now = self.now();
        let damaged = &self.current.file;
        if damaged.path.exists() {
            let path = damaged.set_aside(now)?;
            self.set_aside.push(SegmentFile { opened: damaged.opened, path: path.clone() });
            self.notices.push(Notice::SetAside { path, error });
        }
        let previous = self.earlier.parts.last().map(|part| &part.file);
        let next = begin(&self.dir, &self.config, now, previous, self.set_aside.last(), &mut self.notices)?;
        leave_as_is(std::mem::replace(&mut self.current, next).conn);
        self.carry_coverage();
        Ok(())
    }

    /// The run that is watching goes on in the new segment, from where the old one ends, with the next commit.
    fn carry_coverage(&mut self) {
        if let Some(watching) = &mut self.watching {
            watching.run = None;
        }
    }
}

/// Bytes of the pages in use; free ones will be used before the file grows.
fn used_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages.saturating_mul(pragma("page_size")?).cast_unsigned())
}

/// Closes a connection to a corrupt file without touching it.
pub(super) fn leave_as_is(conn: Connection) {
    let _ = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    drop(conn);
}

/// Closes a segment for good. Without a time and usage they are taken from the rows.
pub(super) fn close(conn: &Connection, known: Option<(i64, &Usage)>) -> rusqlite::Result<()> {
    match known {
        Some((closed_ns, usage)) => {
            usage.save(conn)?;
            conn.execute("UPDATE segment SET closed_ns = ?1", [closed_ns])?;
        }
        None => {
            Usage::of(conn)?.save(conn)?;
            conn.execute(
                "UPDATE segment SET closed_ns = coalesce(closed_ns, (SELECT max(newest_boot_ns + booted_ns) FROM boots))",
                [],
            )?;
        }
    }
    db::settle(conn)
}

/// Fills a new segment from the one before.
pub(super) fn carry_over(conn: &Connection, previous: &SegmentFile) -> rusqlite::Result<()> {
    conn.execute("ATTACH DATABASE ?1 AS old", [previous.path.to_string_lossy()])?;
    let tx = conn.unchecked_transaction()?;
    tx.execute_batch(
        "INSERT INTO boots (boot, boot_id, booted_ns, max_id, earlier_max_id)
             SELECT boot, boot_id, booted_ns, max_id, max_id FROM old.boots;
         INSERT INTO workload
             SELECT w.* FROM old.workload w
             WHERE w.until_boot_ns IS NULL AND w.name IS NOT NULL AND w.boot = (SELECT max(boot) FROM old.boots)
             AND w.valid_from_boot_ns = (SELECT max(v.valid_from_boot_ns) FROM old.workload v
                                         WHERE v.boot = w.boot AND v.workload = w.workload);
         INSERT INTO secret_found
             SELECT * FROM old.secret_found
             WHERE until_boot_ns IS NULL AND boot = (SELECT max(boot) FROM old.boots);
         INSERT INTO secret SELECT * FROM old.secret WHERE id IN (SELECT secret FROM main.secret_found);
         INSERT INTO secret_visible
             SELECT * FROM old.secret_visible
             WHERE secret IN (SELECT secret FROM main.secret_found) AND boot = (SELECT max(boot) FROM old.boots);",
    )?;
    tx.execute(
        "INSERT INTO process
             SELECT p.* FROM old.process p
             WHERE p.boot = (SELECT max(boot) FROM old.boots)
             AND NOT EXISTS (SELECT 1 FROM old.process_end e
                             WHERE e.boot = p.boot AND e.pid = p.pid AND e.start_boot_ns = p.start_boot_ns)
             AND p.exec = (SELECT q.exec FROM old.process q INDEXED BY process_by_pid
                           WHERE q.boot = p.boot AND q.pid = p.pid AND q.start_boot_ns = p.start_boot_ns
                           ORDER BY q.began_boot_ns DESC LIMIT 1)
             ORDER BY p.began_boot_ns DESC LIMIT ?1",
        params![PROCESSES],
    )?;
    tx.commit()?;
    conn.execute("DETACH DATABASE old", [])?;
    Ok(())
}
