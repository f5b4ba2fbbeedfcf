//! The quota: one workload's flood must not push out the evidence of others.
//!
//! It is counted by stable name, so that a container that restarts in a loop is one workload. Who is over it loses
//! rows in the oldest segment that has some, a chunk with each commit until the size is back in bounds.

use std::collections::{HashMap, VecDeque};

use cofferdam_model::{LossReason, WorkloadId};
use rusqlite::{Connection, Result, params};

use super::journal::Journal;
use super::retention::HOOK;
use super::told::{Notice, ShedCause};
use crate::Error;
use crate::codec::{Columns, bits, count};
use crate::error::Doing;
use crate::segment::SegmentFile;

/// Rows that a commit gives up at least, when it has to.
const CHUNK: u64 = 4_000;
/// Pages that a commit gives back to the disk.
const PAGES: u32 = 4_000;

/// Whose rows go next, and where.
#[derive(Debug, Default)]
pub(super) struct Plan {
    segment: Option<SegmentFile>,
    victims: VecDeque<Victim>,
}

#[derive(Debug)]
struct Victim {
    /// Number of the boot in the segment.
    boot: i64,
    workload: WorkloadId,
    name: String,
}

impl Plan {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Journal {
    /// One step of shedding rows of workloads over their quota. Returns whether there was something to do.
    pub(super) fn shed_over_quota(&mut self, records: usize) -> Result<bool, Error> {
        if self.plan.segment.is_none() {
            self.plan = self.make_plan()?;
        }
        let Some(file) = self.plan.segment.clone() else { return Ok(false) };
        let Some(part) = self.earlier.parts.iter_mut().find(|part| part.file == file) else {
            self.plan.clear();
            return Ok(false);
        };
        let conn = part.conn()?;
        let mut done = true;
        if let Some(victim) = self.plan.victims.front() {
            let shed = delete(conn, victim, u64::try_from(records).unwrap_or(CHUNK).max(CHUNK))
                .doing("shed a workload's rows", &file.path)?;
            if let Some(events) = shed {
                self.shed += events;
                self.notices.push(Notice::Shed {
                    cause: ShedCause::Quota,
                    segment: file.name(),
                    workload: Some(victim.name.clone()),
                    events,
                });
            } else {
                self.plan.victims.pop_front();
            }
            done = false;
        }
        let left = give_back(conn).doing("give pages back to the disk", &file.path)?;
        part.bytes = file.bytes();
        if done && left == 0 {
            self.plan.clear();
        }
        Ok(true)
    }

    /// Finds the workloads over their quota and the oldest closed segment that has rows of one.
    fn make_plan(&mut self) -> Result<Plan, Error> {
        let mut names: HashMap<(String, WorkloadId), String> = HashMap::new();
        let mut used: Vec<Vec<(String, i64, WorkloadId, u64)>> = Vec::new();
        for part in &mut self.earlier.parts {
            let path = part.file.path.clone();
            let conn = part.conn()?;
            names.extend(read_names(conn).doing("read the workloads", &path)?);
            used.push(read_usage(conn).doing("read what workloads take up", &path)?);
        }
        let rows: u64 = used.iter().flatten().map(|(.., rows)| rows).sum();
        let name_of = |boot_id: &String, workload: WorkloadId| {
            let unnamed = || format!("workload {}", workload.0);
            names.get(&(boot_id.clone(), workload)).cloned().unwrap_or_else(unnamed)
        };
        let mut by_name: HashMap<String, u64> = HashMap::new();
        for (boot_id, _, workload, rows) in used.iter().flatten() {
            *by_name.entry(name_of(boot_id, *workload)).or_default() += rows;
        }
        let bytes_per_row = self.earlier.bytes() / rows.max(1);
        let quota = self.config.quota();
        by_name.retain(|_, rows| rows.saturating_mul(bytes_per_row) > quota);
        for (part, used) in self.earlier.parts.iter().zip(&used) {
            let victims: VecDeque<Victim> = used
                .iter()
                .filter(|(.., rows)| *rows > 0)
                .map(|(boot_id, boot, workload, _)| Victim {
                    boot: *boot,
                    workload: *workload,
                    name: name_of(boot_id, *workload),
                })
                .filter(|victim| by_name.contains_key(&victim.name))
                .collect();
            if !victims.is_empty() {
                return Ok(Plan { segment: Some(part.file.clone()), victims });
            }
        }
        Ok(Plan::default())
    }
}

fn read_names(conn: &Connection) -> Result<Vec<((String, WorkloadId), String)>> {
    let mut statement = conn.prepare_cached(
        "SELECT b.boot_id, w.workload, w.name FROM workload w JOIN boots b ON b.boot = w.boot
         WHERE w.name IS NOT NULL",
    )?;
    let names = statement.query_map([], |row| {
        let mut c = Columns::of(row);
        Ok(((c.get()?, c.workload()?), c.get()?))
    })?;
    names.collect()
}

fn read_usage(conn: &Connection) -> Result<Vec<(String, i64, WorkloadId, u64)>> {
    let mut statement = conn.prepare_cached(
        "SELECT b.boot_id, u.boot, u.workload, u.rows FROM usage u JOIN boots b ON b.boot = u.boot",
    )?;
    let used = statement.query_map([], |row| {
        let mut c = Columns::of(row);
        Ok((c.get()?, c.get()?, c.workload()?, c.unsigned()?))
    })?;
    used.collect()
}

/// Deletes a chunk of a workload's rows, oldest first, and records it as a loss in the same transaction.
/// `None` when nothing was left; its usage is zero then.
fn delete(conn: &Connection, victim: &Victim, chunk: u64) -> Result<Option<u64>> {
    let tx = conn.unchecked_transaction()?;
    let (boot, workload) = (victim.boot, bits(victim.workload.0));
    let (mut rows, mut events) = (0_u64, 0_u64);
    for (table, id, counted) in
        [("access", "id", "total - base"), ("connection", "id", "total - base"), ("process", "exec", "1")]
    {
        let sql = format!(
            "DELETE FROM {table} WHERE boot = ?1 AND {id} IN (
                 SELECT {id} FROM {table} INDEXED BY {table}_by_workload
                 WHERE boot = ?1 AND workload = ?2 ORDER BY {id} LIMIT ?3)
             RETURNING {counted}"
        );
        let mut statement = tx.prepare_cached(&sql)?;
        let mut deleted = statement.query(params![boot, workload, count(chunk.saturating_sub(rows))])?;
        while let Some(row) = deleted.next()? {
            rows += 1;
            events += row.get::<_, i64>(0)?.cast_unsigned();
        }
    }
    tx.prepare_cached("UPDATE usage SET rows = max(0, rows - ?3), events = max(0, events - ?4) WHERE boot = ?1 AND workload = ?2")?
        .execute(params![boot, workload, count(rows), count(events)])?;
    if rows == 0 {
        tx.prepare_cached("UPDATE usage SET rows = 0, events = 0 WHERE boot = ?1 AND workload = ?2")?
            .execute(params![boot, workload])?;
        tx.commit()?;
        return Ok(None);
    }
    record(&tx, victim, events)?;
    tx.commit()?;
    Ok(Some(events))
}

/// One row per workload and segment, which grows.
fn record(conn: &Connection, victim: &Victim, events: u64) -> Result<()> {
    let reason = LossReason::JournalShed.as_str();
    let workload = bits(victim.workload.0);
    let grown = conn
        .prepare_cached(
            "UPDATE loss SET count = count + ?5 WHERE boot = ?1 AND workload = ?2 AND hook = ?3 AND reason = ?4",
        )?
        .execute(params![victim.boot, workload, HOOK, reason, count(events)])?;
    if grown == 0 {
        conn.prepare_cached(
            "INSERT INTO loss (boot, since_boot_ns, until_boot_ns, hook, workload, reason, count)
             SELECT boot, oldest_boot_ns, newest_boot_ns, ?3, ?2, ?4, ?5 FROM boots WHERE boot = ?1",
        )?
        .execute(params![victim.boot, workload, HOOK, reason, count(events)])?;
    }
    Ok(())
}

/// Gives free pages back to the disk; returns how many are left.
fn give_back(conn: &Connection) -> Result<i64> {
    let mut statement = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    conn.pragma_query_value(None, "freelist_count", |row| row.get(0))
}
