//! Staying within the bounds: age, size, and a disk that is full.
//!
//! Oldest segments go first. Before a whole segment goes for its size, workloads over their quota lose their rows
//! in it, a chunk per commit, so that a commit never waits long (see [`super::quota`]).

use cofferdam_model::{BootId, BootTime, Clock, Loss, LossReason, WallTime};
use rusqlite::Connection;

use super::earlier::Part;
use super::journal::{Journal, OwnLoss};
use super::told::{Notice, ShedCause};
use super::usage::Usage;
use crate::Error;
use crate::codec::Columns;
use crate::error::{Doing, Trouble};

/// What the journal is called in its own losses.
pub(super) const HOOK: &str = "journal";

impl Journal {
    /// Brings the journal back within its bounds after a commit of `records` records. Never fails: what goes wrong is told.
    pub(super) fn retain(&mut self, records: usize) {
        self.reserve.keep();
        let result = self.expire().and_then(|()| {
            let bytes = self.bytes();
            let max = self.config.max_size;
            if bytes <= max {
                Ok(())
            } else if bytes > max + max / 8 {
                // The quota's way is too slow for what comes in: keep the bound.
                self.shed_oldest(ShedCause::Size).map(|_| ())
            } else if self.shed_over_quota(records)? {
                Ok(())
            } else {
                self.shed_oldest(ShedCause::Size).map(|_| ())
            }
        });
        if let Err(error) = result {
            self.notices.push(Notice::Trouble(error));
        }
    }

    /// Removes what ended longer ago than `retain`. No loss: an answer before the first coverage is incomplete anyway.
    fn expire(&mut self) -> Result<(), Error> {
        let horizon = self.now().before(self.config.retain);
        let ends = |journal: &Self, index: usize| {
            journal.earlier.parts.get(index + 1).map_or(journal.current.file.opened, |next| next.file.opened)
        };
        while !self.earlier.parts.is_empty() && ends(self, 0) < horizon {
            let part = self.earlier.parts.remove(0);
            self.plan.clear();
            part.file.remove()?;
            self.notices.push(Notice::Expired { segment: part.file.name() });
        }
        let horizon = horizon.before(self.config.segment_span());
        while self.set_aside.first().is_some_and(|file| file.opened < horizon) {
            let file = self.set_aside.remove(0);
            file.remove()?;
            self.notices.push(Notice::Expired { segment: file.name() });
        }
        Ok(())
    }

    /// Removes the oldest closed segment or set-aside file. Returns whether there was one.
    pub(super) fn shed_oldest(&mut self, cause: ShedCause) -> Result<bool, Error> {
        let oldest = self.earlier.parts.first().map(|part| part.file.opened);
        let aside = self.set_aside.first().map(|file| file.opened);
        if aside.is_some_and(|aside| oldest.is_none_or(|oldest| aside <= oldest)) {
            let file = self.set_aside.remove(0);
            file.remove()?;
            self.notices.push(Notice::Shed { cause, segment: file.name(), workload: None, events: 0 });
            return Ok(true);
        }
        if oldest.is_none() {
            return Ok(false);
        }
        let mut part = self.earlier.parts.remove(0);
        self.plan.clear();
        let (losses, events) = losses_of(&mut part).unwrap_or_else(|error| {
            self.notices.push(Notice::Trouble(error));
            (Vec::new(), 0)
        });
        part.file.remove()?;
        self.shed += events;
        self.own_losses.extend(losses);
        self.notices.push(Notice::Shed { cause, segment: part.file.name(), workload: None, events });
        Ok(true)
    }

    /// Makes room on a full disk: the log of the current segment, then older segments, then the oldest rows.
    pub(super) fn make_room(&mut self, attempt: u32) -> Result<(), Error> {
        if attempt <= 1 {
            let before = self.current.file.bytes();
            if fold(&self.current.conn) && self.current.file.bytes() < before {
                return Ok(());
            }
        }
        if self.shed_oldest(ShedCause::DiskFull)? {
            return Ok(());
        }
        self.reserve.give_up();
        let shed = self.shed_oldest_rows();
        self.reserve.keep();
        match shed {
            Ok(0) | Err(_) => Err(Error::DiskFull { dir: self.dir.clone() }),
            Ok(_) => Ok(()),
        }
    }

    /// Gives up the oldest rows of the only segment that there is; the room is used again within the file.
    fn shed_oldest_rows(&mut self) -> Result<u64, Error> {
        let path = self.current.file.path.clone();
        let conn = &self.current.conn;
        let mut shed = 0;
        // Deleting needs room in the log as well: ever less, and given back after each chunk.
        for rows in [1_000, 1_000, 1_000, 1_000, 250, 60] {
            fold(conn);
            match delete_oldest(conn, rows).doing("give up the oldest rows", &path) {
                Ok(0) => break,
                Ok(events) => shed += events,
                Err(error) if error.trouble() == Trouble::Full => {}
                Err(error) => return Err(error),
            }
        }
        fold(conn);
        self.current.usage = Usage::of(conn).doing("count the rows", &path)?;
        if shed > 0 {
            self.shed += shed;
            let (cause, segment) = (ShedCause::DiskFull, self.current.file.name());
            self.notices.push(Notice::Shed { cause, segment, workload: None, events: shed });
        }
        Ok(shed)
    }
}

/// Folds the log into the file and gives its room back. Returns whether it could.
fn fold(conn: &Connection) -> bool {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .is_ok_and(|busy| busy == 0)
}

/// Deletes the oldest rows and records it as a loss, in one transaction. Returns how many events they counted.
/// What was refused goes when nothing else is left; what rules have found stays, as acts do.
fn delete_oldest(conn: &Connection, rows: u32) -> rusqlite::Result<u64> {
    let tx = conn.unchecked_transaction()?;
    let ordinary = [
        ("access", "verdict = 'allowed'", "total - base"),
        ("connection", "verdict = 'allowed'", "total - base"),
    ];
    let mut events = delete_counted(&tx, &ordinary, rows)?;
    let mut statement = tx.prepare_cached(
        "DELETE FROM process WHERE (boot, exec) IN (
             SELECT p.boot, p.exec FROM process p
             JOIN process_end e ON e.boot = p.boot AND e.pid = p.pid AND e.start_boot_ns = p.start_boot_ns
             ORDER BY p.boot, p.exec LIMIT ?1)",
    )?;
    events += statement.execute([rows]).map(u64::try_from)?.unwrap_or(0);
    drop(statement);
    if events == 0 {
        let findings = [
            ("access", "verdict <> 'allowed'", "total - base"),
            ("connection", "verdict <> 'allowed'", "total - base"),
            ("attempt", "1", "1"),
        ];
        events = delete_counted(&tx, &findings, rows)?;
    }
    tx.prepare_cached(
        "INSERT INTO loss (boot, since_boot_ns, until_boot_ns, hook, workload, reason, count)
         SELECT boot, oldest_boot_ns, newest_boot_ns, ?1, NULL, ?2, ?3 FROM boots
         WHERE oldest_boot_ns IS NOT NULL ORDER BY boot LIMIT 1",
    )?
    .execute(rusqlite::params![HOOK, LossReason::JournalShed.as_str(), events.cast_signed()])?;
    tx.commit()?;
    Ok(events)
}

/// Deletes the oldest rows of each table; given are which of them may go, and how many events each counts.
fn delete_counted(conn: &Connection, tables: &[(&str, &str, &str)], rows: u32) -> rusqlite::Result<u64> {
    let mut events = 0;
    for (table, which, counted) in tables {
        let sql = format!(
            "DELETE FROM {table} WHERE (boot, id) IN (
                 SELECT boot, id FROM {table} WHERE {which} ORDER BY boot, id LIMIT ?1)
             RETURNING {counted}"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut deleted = statement.query([rows])?;
        while let Some(row) = deleted.next()? {
            events += row.get::<_, i64>(0)?.cast_unsigned();
        }
    }
    Ok(events)
}

/// What goes when a segment goes: one loss per boot that it holds, with the losses that stand in it, for else they
/// would be forgotten. Also how many events are given up now.
fn losses_of(part: &mut Part) -> Result<(Vec<OwnLoss>, u64), Error> {
    let path = part.file.path.clone();
    let conn = part.conn()?;
    (|| -> rusqlite::Result<(Vec<OwnLoss>, u64)> {
        if !conn.prepare("SELECT 1 FROM usage")?.exists([])? {
            // The disk was too full to close it properly.
            let _ = Usage::of(conn)?.save(conn);
        }
        let mut statement = conn.prepare(
            "SELECT b.boot_id, b.booted_ns,
                 min(b.oldest_boot_ns, coalesce((SELECT min(since_boot_ns) FROM loss l WHERE l.boot = b.boot),
                                                b.oldest_boot_ns)),
                 b.newest_boot_ns,
                 (SELECT coalesce(sum(events), 0) FROM usage u WHERE u.boot = b.boot)
                     + (SELECT count(*) FROM audit a WHERE a.boot = b.boot)
                     + (SELECT count(*) FROM detection d WHERE d.boot = b.boot),
                 (SELECT coalesce(sum(count), 0) FROM loss l WHERE l.boot = b.boot AND l.reason <> 'over-budget')
             FROM boots b WHERE b.oldest_boot_ns IS NOT NULL",
        )?;
        let (mut losses, mut events) = (Vec::new(), 0);
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut c = Columns::of(row);
            let boot: BootId = c.word()?;
            let clock = Clock { booted: WallTime::from_nanos(c.get()?) };
            let (since, until): (BootTime, BootTime) = (c.time()?, c.time()?);
            let (given_up, lost_before) = (c.unsigned()?, c.unsigned()?);
            events += given_up;
            let count = given_up.saturating_add(lost_before);
            let (hook, reason) = (HOOK.to_owned(), LossReason::JournalShed);
            let loss = Loss { since, until, hook, workload: None, reason, count };
            losses.push(OwnLoss { boot, clock, loss });
        }
        Ok((losses, events))
    })()
    .doing("count what is given up", &path)
}
