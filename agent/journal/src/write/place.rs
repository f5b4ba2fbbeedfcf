//! Where a counter goes: accesses and connections are counters with a stable id that only grow, and the same
//! counter may stand in several segments, each counting its own share. An attempt is a counter that never grows.
//!
//! The share of a segment is `total - base`, with `base` what earlier segments had counted. So the sum over segments
//! is exact however often a counter is written, and whenever the agent was restarted between.

use cofferdam_model::{BootTime, EventId};
use rusqlite::{Connection, Result, params};

use super::boot::BootRow;
use super::earlier::Earlier;
use crate::codec::bits;

/// The tables whose rows have an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Access,
    Connection,
    Attempt,
}

impl Table {
    /// Total and latest time of one row.
    pub(super) fn reached(self) -> &'static str {
        match self {
            Self::Access => "SELECT total, last_boot_ns FROM access WHERE boot = ?1 AND id = ?2",
            Self::Connection => "SELECT total, last_boot_ns FROM connection WHERE boot = ?1 AND id = ?2",
            Self::Attempt => "SELECT 1, at_boot_ns FROM attempt WHERE boot = ?1 AND id = ?2",
        }
    }
}

/// What to do with a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Perhaps this segment has no row of it: try to insert one.
    Fresh(Share),
    /// This segment has a row of it.
    Standing,
    /// Earlier segments have counted all of it.
    Told,
}

/// What a new row says about earlier segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Share {
    pub(super) base: u64,
    pub(super) after: Option<BootTime>,
}

/// Decides; reads nothing for a counter that is younger than this segment.
pub(super) fn place(
    conn: &Connection,
    earlier: &mut Earlier,
    boot: &BootRow,
    table: Table,
    id: EventId,
    total: u64,
) -> Result<Place> {
    if id > boot.earlier_max {
        return Ok(Place::Fresh(Share::default()));
    }
    if conn.prepare_cached(table.reached())?.exists(params![boot.number, bits(id.0)])? {
        return Ok(Place::Standing);
    }
    Ok(match earlier.counted(table, &boot.id, id) {
        Some(counted) if counted.total >= total => Place::Told,
        Some(counted) => Place::Fresh(Share { base: counted.total, after: Some(counted.last) }),
        None => Place::Fresh(Share::default()),
    })
}
