//! When someone watched. An answer can only be complete where it says so: see [`crate::Reader`].

use cofferdam_model::{BootId, BootTime};
use rusqlite::{Connection, Result, params};

use crate::codec::{bits, json};

/// A run of the agent that is watching now.
#[derive(Debug, Clone)]
pub(super) struct Watching {
    pub(super) boot: BootId,
    pub(super) hooks: Vec<String>,
    /// Everything before this is in the journal or counted as lost.
    pub(super) until: BootTime,
    /// Its row in the current segment, once there is one.
    pub(super) run: Option<i64>,
}

impl Watching {
    /// Notes that everything up to `until` was seen; with `ended`, for the last time. Never goes back.
    pub(super) fn advance(
        &mut self,
        conn: &Connection,
        boot: i64,
        until: BootTime,
        ended: Option<&str>,
    ) -> Result<()> {
        let run = match self.run {
            Some(run) => run,
            None => {
                conn.prepare_cached(
                    "INSERT INTO coverage (boot, since_boot_ns, until_boot_ns, hooks) VALUES (?1, ?2, ?2, ?3)
                     RETURNING run",
                )?
                .query_row(params![boot, bits(self.until.as_nanos()), json(&self.hooks)?], |row| row.get(0))?
            }
        };
        self.run = Some(run);
        self.until = self.until.max(until);
        conn.prepare_cached("UPDATE coverage SET until_boot_ns = ?2, ended = ?3 WHERE run = ?1")?
            .execute(params![run, bits(self.until.as_nanos()), ended])?;
        Ok(())
    }
}
