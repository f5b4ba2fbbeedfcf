//! Connections: counters per (process, destination, verdict).

use cofferdam_model::{BootTime, Connection as Made, WorkloadId};
use rusqlite::{Connection, Result, params};

use super::place::Share;
use crate::codec::{Columns, bits, count, json, opt_bits};

/// What a row of this segment says that another record may change.
struct Standing {
    total: u64,
    workload: WorkloadId,
    pid: Option<u32>,
    exec: Option<i64>,
    tainted_by: Option<String>,
    decision: i64,
}

/// Inserts a row unless there is one. Returns whether it did.
pub(super) fn insert(conn: &Connection, boot: i64, made: &Made, share: Share, decision: i64) -> Result<bool> {
    let inserted = conn
        .prepare_cached(
            "INSERT INTO connection (boot, id, first_boot_ns, last_boot_ns, total, base, after_boot_ns, workload,
                 cgroup, pid, start_boot_ns, exec, destination, port, protocol, family, unconnected, tainted_by,
                 verdict, decision, uid, cgroup_path)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                 ?21, ?22)
             ON CONFLICT (boot, id) DO NOTHING",
        )?
        .execute(params![
            boot,
            bits(made.id.0),
            bits(made.first.as_nanos()),
            bits(made.last.as_nanos()),
            count(made.total),
            count(share.base),
            opt_bits(share.after.map(BootTime::as_nanos)),
            bits(made.workload.0),
            bits(made.cgroup.0),
            made.process.map(|process| process.pid),
            opt_bits(made.process.map(|process| process.start.as_nanos())),
            opt_bits(made.exec.map(|exec| exec.0)),
            made.destination.map(|address| address.to_string()),
            made.port,
            made.protocol.as_str(),
            made.family,
            made.unconnected,
            tainted_by(made)?,
            made.verdict.as_str(),
            decision,
            made.uid,
            made.cgroup_path,
        ])?;
    Ok(inserted == 1)
}

/// Lets the row grow, and takes what the record says more. Returns by how many events it grew.
pub(super) fn grow(conn: &Connection, boot: i64, made: &Made, decision: i64) -> Result<u64> {
    let before = conn
        .prepare_cached(
            "SELECT total, workload, pid, exec, tainted_by, decision FROM connection WHERE boot = ?1 AND id = ?2",
        )?
        .query_row(params![boot, bits(made.id.0)], |row| {
            let mut c = Columns::of(row);
            Ok(Standing {
                total: c.unsigned()?,
                workload: c.workload()?,
                pid: c.get()?,
                exec: c.get()?,
                tainted_by: c.get()?,
                decision: c.get()?,
            })
        })?;
    conn.prepare_cached(
        "UPDATE connection SET total = max(total, ?3), last_boot_ns = max(last_boot_ns, ?4),
             first_boot_ns = min(first_boot_ns, ?5)
         WHERE boot = ?1 AND id = ?2",
    )?
    .execute(params![
        boot,
        bits(made.id.0),
        count(made.total),
        bits(made.last.as_nanos()),
        bits(made.first.as_nanos()),
    ])?;
    let tainted_by = tainted_by(made)?;
    if says_more(made, &before, tainted_by.as_ref(), decision) {
        conn.prepare_cached(
            "UPDATE connection SET workload = CASE ?3 WHEN 0 THEN workload ELSE ?3 END, pid = coalesce(?4, pid),
                 start_boot_ns = coalesce(?5, start_boot_ns), exec = coalesce(?6, exec),
                 tainted_by = coalesce(?7, tainted_by), decision = ?8
             WHERE boot = ?1 AND id = ?2",
        )?
        .execute(params![
            boot,
            bits(made.id.0),
            bits(made.workload.0),
            made.process.map(|process| process.pid),
            opt_bits(made.process.map(|process| process.start.as_nanos())),
            opt_bits(made.exec.map(|exec| exec.0)),
            tainted_by,
            decision,
        ])?;
    }
    Ok(made.total.saturating_sub(before.total))
}

fn tainted_by(made: &Made) -> Result<Option<String>> {
    if made.tainted_by.is_empty() { Ok(None) } else { json(&made.tainted_by).map(Some) }
}

fn says_more(made: &Made, before: &Standing, tainted_by: Option<&String>, decision: i64) -> bool {
    let new = |more: bool, differs: bool| more && differs;
    new(made.workload.is_known(), made.workload != before.workload)
        || new(made.process.is_some(), made.process.map(|p| p.pid) != before.pid)
        || new(made.exec.is_some(), opt_bits(made.exec.map(|exec| exec.0)) != before.exec)
        || new(tainted_by.is_some(), tainted_by != before.tainted_by.as_ref())
        || decision != before.decision
}
