//! The quota: one workload's flood must not push out the evidence of others.
//!
//! It is counted by stable name, so that a container that restarts in a loop is one workload. Who is over it loses
//! rows, a chunk with each commit, in two ways. While a flood comes in and the journal is full, the flood's own
//! oldest rows of the current segment make room for its next ones: no new segment is begun for it. And where closed
//! segments have to shrink, it is its rows that go, from the oldest segment that has some.

use std::collections::{HashMap, HashSet, VecDeque};

use cofferdam_model::{LossReason, WorkloadId};
use rusqlite::{Connection, Result, params};

use super::journal::Journal;
use super::retention::HOOK;
use super::told::{Notice, ShedCause};
use super::usage::{Usage, Used};
use crate::Error;
use crate::codec::{Columns, bits, count};
use crate::error::Doing;
use crate::segment::SegmentFile;

/// Rows that a commit gives up at least, when it has to.
const CHUNK: u64 = 4_000;
/// Pages that a commit gives back to the disk.
const PAGES: u32 = 4_000;
/// After so many commits the quota of the current segment is counted anew.
const COUNTED_FOR: u32 = 32;

/// Whose rows go next, and where.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In a closed segment.
    segment: Option<SegmentFile>,
    victims: VecDeque<Victim>,
    /// In the current one, and for how many commits this holds.
    flood: VecDeque<Victim>,
    flood_holds: u32,
}

#[derive(Debug)]
struct Victim {
    /// Number of the boot in the segment.
    boot: i64,
    workload: WorkloadId,
    name: String,
    rows: u64,
}

impl Plan {
    /// The segments have changed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Journal {
    /// One step of shedding rows of workloads over their quota from closed segments. Returns whether there was
    /// something to do.
    pub(super) fn shed_over_quota(&mut self, records: usize) -> Result<bool, Error> {
        if self.plan.segment.is_none() {
            let over = self.over_quota()?;
            let found =
                over.into_iter().find(|(file, victims)| *file != self.current.file && !victims.is_empty());
            (self.plan.segment, self.plan.victims) =
                found.map_or((None, VecDeque::new()), |(file, victims)| (Some(file), victims));
        }
        let Some(file) = self.plan.segment.clone() else { return Ok(false) };
        let Some(part) = self.earlier.parts.iter_mut().find(|part| part.file == file) else {
            self.plan.clear();
            return Ok(false);
        };
        let conn = part.conn()?;
        let shed = shed(conn, &mut self.plan.victims, chunk(records)).doing("shed rows", &file.path)?;
        let left = give_back(conn).doing("give pages back to the disk", &file.path)?;
        part.bytes = file.bytes();
        if shed.is_empty() && left == 0 {
            self.plan.segment = None;
        }
        self.tell(&file, &shed);
        Ok(true)
    }

    /// Lets a flood make room for itself in the current segment. Returns whether it did; if not, the next segment
    /// is due.
    pub(super) fn trim_flood(&mut self, records: usize) -> Result<bool, Error> {
        if self.plan.flood_holds == 0 {
            let rows = self.current.usage.rows();
            let flood = self.over_quota()?.pop().map(|(_, victims)| victims).unwrap_or_default();
            // What is but a small part of the segment is not what fills it.
            let filled_by_it = flood.iter().map(|victim| victim.rows).sum::<u64>() >= rows / 4;
            self.plan.flood = if filled_by_it { flood } else { VecDeque::new() };
            self.plan.flood_holds = COUNTED_FOR;
        }
        self.plan.flood_holds -= 1;
        let file = self.current.file.clone();
        let shed =
            shed(&self.current.conn, &mut self.plan.flood, chunk(records)).doing("shed rows", &file.path)?;
        for shed in &shed {
            self.current.usage.subtract(shed.boot, shed.workload, shed.used);
        }
        self.tell(&file, &shed);
        Ok(!shed.is_empty())
    }

    fn tell(&mut self, file: &SegmentFile, shed: &[Shed]) {
        let mut by_name: HashMap<&str, u64> = HashMap::new();
        for shed in shed {
            *by_name.entry(&shed.name).or_default() += shed.used.events;
        }
        for (name, events) in by_name {
            self.shed += events;
            let (cause, segment) = (ShedCause::Quota, file.name());
            self.notices.push(Notice::Shed { cause, segment, workload: Some(name.to_owned()), events });
        }
    }

    /// The workloads over their quota, for each segment, oldest first; the current one is the last.
    fn over_quota(&mut self) -> Result<Vec<(SegmentFile, VecDeque<Victim>)>, Error> {
        let mut names: HashMap<(String, WorkloadId), String> = HashMap::new();
        let mut used: Vec<(SegmentFile, Vec<InUse>)> = Vec::new();
        for part in &mut self.earlier.parts {
            let file = part.file.clone();
            let conn = part.conn()?;
            names.extend(read_names(conn).doing("read the workloads", &file.path)?);
            let in_use = read_usage(conn).doing("read what workloads take up", &file.path)?;
            used.push((file, in_use));
            part.rest();
        }
        let (file, conn) = (self.current.file.clone(), &self.current.conn);
        names.extend(read_names(conn).doing("read the workloads", &file.path)?);
        let in_use = current_usage(conn, &self.current.usage).doing("read the boots", &file.path)?;
        used.push((file, in_use));

        let name_of = |in_use: &InUse| {
            let unnamed = || format!("workload {}", in_use.workload.0);
            names.get(&(in_use.boot_id.clone(), in_use.workload)).cloned().unwrap_or_else(unnamed)
        };
        let mut by_name: HashMap<String, u64> = HashMap::new();
        for in_use in used.iter().flat_map(|(_, in_use)| in_use) {
            *by_name.entry(name_of(in_use)).or_default() += in_use.rows;
        }
        let bytes_per_row = self.bytes() / by_name.values().sum::<u64>().max(1);
        let quota = self.config.quota();
        let over: HashSet<String> = by_name
            .into_iter()
            .filter(|(_, rows)| rows.saturating_mul(bytes_per_row) > quota)
            .map(|(name, _)| name)
            .collect();
        let victims = |in_use: Vec<InUse>| {
            let victims = in_use.into_iter().filter(|in_use| in_use.rows > 0).map(|in_use| Victim {
                boot: in_use.boot,
                workload: in_use.workload,
                name: name_of(&in_use),
                rows: in_use.rows,
            });
            victims.filter(|victim| over.contains(&victim.name)).collect()
        };
        Ok(used.into_iter().map(|(file, in_use)| (file, victims(in_use))).collect())
    }
}

fn chunk(records: usize) -> u64 {
    u64::try_from(records).unwrap_or(CHUNK).saturating_mul(2).max(CHUNK)
}

/// What a workload takes up of a segment.
struct InUse {
    boot_id: String,
    boot: i64,
    workload: WorkloadId,
    rows: u64,
}

/// What was given up of a workload.
struct Shed {
    boot: i64,
    workload: WorkloadId,
    name: String,
    used: Used,
}

/// Sheds rows of one victim after the other until a chunk is done or nothing is left.
fn shed(conn: &Connection, victims: &mut VecDeque<Victim>, chunk: u64) -> Result<Vec<Shed>> {
    let mut all = Vec::new();
    let mut left = chunk;
    while let Some(victim) = victims.front().filter(|_| left > 0) {
        let used = delete(conn, victim, left)?;
        if used.rows > 0 {
            let Victim { boot, workload, ref name, .. } = *victim;
            all.push(Shed { boot, workload, name: name.clone(), used });
        }
        if used.rows < left {
            victims.pop_front();
        }
        left = left.saturating_sub(used.rows);
    }
    Ok(all)
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

fn read_usage(conn: &Connection) -> Result<Vec<InUse>> {
    let mut statement = conn.prepare_cached(
        "SELECT b.boot_id, u.boot, u.workload, u.rows FROM usage u JOIN boots b ON b.boot = u.boot",
    )?;
    let used = statement.query_map([], |row| {
        let mut c = Columns::of(row);
        Ok(InUse { boot_id: c.get()?, boot: c.get()?, workload: c.workload()?, rows: c.unsigned()? })
    })?;
    used.collect()
}

/// The same for the segment that is being written, where it is kept in memory.
fn current_usage(conn: &Connection, usage: &Usage) -> Result<Vec<InUse>> {
    let mut statement = conn.prepare_cached("SELECT boot, boot_id FROM boots")?;
    let boots: HashMap<i64, String> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    let used = usage.each().filter_map(|(boot, workload, used)| {
        Some(InUse { boot_id: boots.get(&boot)?.clone(), boot, workload, rows: used.rows })
    });
    Ok(used.collect())
}

/// What is shed of a workload, in this order: what was refused last, and what rules have found never. Table, its id, which of its rows, events of a row.
const ORDER: [(&str, &str, &str, &str); 6] = [
    ("access", "id", "AND (verdict <> 'allowed') = 0", "total - base"),
    ("connection", "id", "AND (verdict <> 'allowed') = 0", "total - base"),
    ("process", "exec", "", "1"),
    ("access", "id", "AND (verdict <> 'allowed') = 1", "total - base"),
    ("connection", "id", "AND (verdict <> 'allowed') = 1", "total - base"),
    ("attempt", "id", "", "1"),
];

/// Deletes a chunk of a workload's rows, oldest first, and records it as a loss in the same transaction.
fn delete(conn: &Connection, victim: &Victim, chunk: u64) -> Result<Used> {
    let tx = conn.unchecked_transaction()?;
    let (boot, workload) = (victim.boot, bits(victim.workload.0));
    let mut used = Used::default();
    for (table, id, which, counted) in ORDER {
        let sql = format!(
            "DELETE FROM {table} WHERE boot = ?1 AND {id} IN (
                 SELECT {id} FROM {table} INDEXED BY {table}_by_workload
                 WHERE boot = ?1 AND workload = ?2 {which} ORDER BY {id} LIMIT ?3)
             RETURNING {counted}"
        );
        let mut statement = tx.prepare_cached(&sql)?;
        let mut deleted = statement.query(params![boot, workload, count(chunk.saturating_sub(used.rows))])?;
        while let Some(row) = deleted.next()? {
            used.rows += 1;
            used.events += row.get::<_, i64>(0)?.cast_unsigned();
        }
    }
    if used.rows > 0 {
        record(&tx, victim, used.events)?;
    }
    // With nothing left it is zero, whatever had been counted.
    let rest = if used.rows < chunk { 0 } else { 1 };
    tx.prepare_cached(
        "UPDATE usage SET rows = max(0, rows - ?3) * ?5, events = max(0, events - ?4) * ?5
         WHERE boot = ?1 AND workload = ?2",
    )?
    .execute(params![boot, workload, count(used.rows), count(used.events), rest])?;
    tx.commit()?;
    Ok(used)
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
