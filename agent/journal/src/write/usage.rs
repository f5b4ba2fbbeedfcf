//! What each workload takes up of the segment that is being written. Kept in memory (one entry per workload of the
//! segment), counted anew when a segment is opened, written into it when it is closed.

use std::collections::HashMap;

use cofferdam_model::WorkloadId;
use rusqlite::{Connection, Result, params};

use crate::codec::{Columns, bits, count};

/// Rows and events of one workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) rows: u64,
    pub(super) events: u64,
}

/// By (number of the boot in the segment, workload).
#[derive(Debug, Default)]
pub(super) struct Usage(HashMap<(i64, WorkloadId), Used>);

impl Usage {
    pub(super) fn knows(&self, boot: i64, workload: WorkloadId) -> bool {
        self.0.contains_key(&(boot, workload))
    }

    pub(super) fn add(&mut self, boot: i64, workload: WorkloadId, used: Used) {
        let entry = self.0.entry((boot, workload)).or_default();
        entry.rows += used.rows;
        entry.events += used.events;
    }

    pub(super) fn subtract(&mut self, boot: i64, workload: WorkloadId, used: Used) {
        if let Some(entry) = self.0.get_mut(&(boot, workload)) {
            entry.rows = entry.rows.saturating_sub(used.rows);
            entry.events = entry.events.saturating_sub(used.events);
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.0.values().map(|used| used.rows).sum()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (i64, WorkloadId, Used)> {
        self.0.iter().map(|((boot, workload), used)| (*boot, *workload, *used))
    }

    /// Counts what a segment holds.
    pub(super) fn of(conn: &Connection) -> Result<Self> {
        let mut usage = Self::default();
        // Added up here: SQLite would go through an index and look up each row, or sort.
        for rows in [
            "SELECT boot, workload, total - base FROM access NOT INDEXED",
            "SELECT boot, workload, total - base FROM connection NOT INDEXED",
            "SELECT boot, workload, 1 FROM process",
            "SELECT boot, workload, 1 FROM attempt NOT INDEXED",
        ] {
            let mut statement = conn.prepare(rows)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let mut c = Columns::of(row);
                let (boot, workload) = (c.get()?, c.workload()?);
                usage.add(boot, workload, Used { rows: 1, events: c.unsigned()? });
            }
        }
        Ok(usage)
    }

    /// Writes it into the segment that it was counted in.
    pub(super) fn save(&self, conn: &Connection) -> Result<()> {
        let mut statement = conn.prepare_cached(
            "INSERT INTO usage (boot, workload, rows, events) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET rows = excluded.rows, events = excluded.events",
        )?;
        for ((boot, workload), used) in &self.0 {
            statement.execute(params![boot, bits(workload.0), count(used.rows), count(used.events)])?;
        }
        Ok(())
    }
}
