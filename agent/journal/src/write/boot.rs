//! Boots: which number stands for which boot in a segment, its clock, and what of it the segment holds.

use cofferdam_model::{BootId, BootTime, Clock, EventId};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::codec::{Columns, bits, opt_bits};

/// The row of a boot in the segment that is being written.
#[derive(Debug, Clone)]
pub(super) struct BootRow {
    pub(super) number: i64,
    pub(super) id: BootId,
    /// No access, connection or attempt with a greater id stands in an earlier segment: what is newer needs no look there.
    pub(super) earlier_max: EventId,
    max: EventId,
    oldest: Option<BootTime>,
    newest: Option<BootTime>,
}

impl BootRow {
    /// Finds or makes the row, and notes the clock: the latest measurement wins.
    pub(super) fn find(conn: &Connection, id: &BootId, clock: &Clock) -> Result<Self> {
        conn.prepare_cached(
            "INSERT INTO boots (boot_id, booted_ns) VALUES (?1, ?2)
             ON CONFLICT (boot_id) DO UPDATE SET booted_ns = excluded.booted_ns",
        )?
        .execute(params![id.as_str(), clock.booted.as_nanos()])?;
        conn.prepare_cached(
            "SELECT boot, earlier_max_id, max_id, oldest_boot_ns, newest_boot_ns FROM boots WHERE boot_id = ?1",
        )?
        .query_row([id.as_str()], |row| {
            let mut c = Columns::of(row);
            Ok(Self {
                number: c.get()?,
                id: id.clone(),
                earlier_max: c.event()?,
                max: c.event()?,
                oldest: c.opt_time()?,
                newest: c.opt_time()?,
            })
        })
    }

    /// The number of a boot that the segment may not know; a clock that it knows is newer and stays.
    pub(super) fn mention(conn: &Connection, id: &BootId, clock: &Clock) -> Result<i64> {
        conn.prepare_cached(
            "INSERT INTO boots (boot_id, booted_ns) VALUES (?1, ?2)
             ON CONFLICT (boot_id) DO UPDATE SET booted_ns = booted_ns RETURNING boot",
        )?
        .query_row(params![id.as_str(), clock.booted.as_nanos()], |row| row.get(0))
    }

    /// The segment holds something that happened from `since` to `until`.
    pub(super) fn holds(&mut self, since: BootTime, until: BootTime) {
        self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
        self.newest = Some(self.newest.map_or(until, |newest| newest.max(until)));
    }

    /// The segment holds a row by this id.
    pub(super) fn counts(&mut self, id: EventId) {
        self.max = self.max.max(id);
    }

    pub(super) fn save(&self, conn: &Connection) -> Result<()> {
        conn.prepare_cached(
            "UPDATE boots SET oldest_boot_ns = ?2, newest_boot_ns = ?3, max_id = ?4 WHERE boot = ?1",
        )?
        .execute(params![
            self.number,
            opt_bits(self.oldest.map(BootTime::as_nanos)),
            opt_bits(self.newest.map(BootTime::as_nanos)),
            bits(self.max.0),
        ])?;
        Ok(())
    }
}

/// The number of a boot in some segment.
pub(super) fn number_of(conn: &Connection, id: &BootId) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT boot FROM boots WHERE boot_id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}
