//! Accesses: counters per (process, secret, way, verdict).

use cofferdam_model::{Access, BootTime, WorkloadId};
use rusqlite::{Connection, Result, params};

use super::place::Share;
use crate::codec::{Columns, InodeColumns, bits, count, opt_bits};

/// What a row of this segment says that another record may change.
struct Standing {
    total: u64,
    workload: WorkloadId,
    pid: Option<u32>,
    exec: Option<i64>,
    secret: i64,
    decision: i64,
    order: Option<i64>,
}

/// Inserts a row unless there is one. Returns whether it did.
pub(super) fn insert(
    conn: &Connection,
    boot: i64,
    access: &Access,
    share: Share,
    secret: i64,
    decision: i64,
) -> Result<bool> {
    let inode = InodeColumns::from(access.inode);
    let target = access.target.as_ref();
    let inserted = conn
        .prepare_cached(
            "INSERT INTO access (boot, id, first_boot_ns, last_boot_ns, total, base, after_boot_ns, workload, cgroup,
                 pid, start_boot_ns, exec, secret, device, device_generation, inode, inode_generation, how, mode,
                 target_relation, target_pid, target_start_boot_ns, target_workload, target_cgroup, verdict,
                 decision, \"order\", uid, cgroup_path)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                 ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)
             ON CONFLICT (boot, id) DO NOTHING",
        )?
        .execute(params![
            boot,
            bits(access.id.0),
            bits(access.first.as_nanos()),
            bits(access.last.as_nanos()),
            count(access.total),
            count(share.base),
            opt_bits(share.after.map(BootTime::as_nanos)),
            bits(access.workload.0),
            bits(access.cgroup.0),
            access.process.map(|process| process.pid),
            opt_bits(access.process.map(|process| process.start.as_nanos())),
            opt_bits(access.exec.map(|exec| exec.0)),
            secret,
            inode.device,
            inode.device_generation,
            inode.ino,
            inode.generation,
            access.how.as_str(),
            access.mode.as_str(),
            target.map(|target| target.relation.as_str()),
            target.map(|target| target.process.pid),
            opt_bits(target.map(|target| target.process.start.as_nanos())),
            opt_bits(target.map(|target| target.workload.0)),
            opt_bits(target.map(|target| target.cgroup.0)),
            access.verdict.as_str(),
            decision,
            opt_bits(access.order),
            access.uid,
            access.cgroup_path,
        ])?;
    Ok(inserted == 1)
}

/// Lets the row grow, and takes what the record says more. Returns by how many events it grew.
pub(super) fn grow(conn: &Connection, boot: i64, access: &Access, secret: i64, decision: i64) -> Result<u64> {
    let before = conn
        .prepare_cached(
            "SELECT total, workload, pid, exec, secret, decision, \"order\" FROM access WHERE boot = ?1 AND id = ?2",
        )?
        .query_row(params![boot, bits(access.id.0)], |row| {
            let mut c = Columns::of(row);
            Ok(Standing {
                total: c.unsigned()?,
                workload: c.workload()?,
                pid: c.get()?,
                exec: c.get()?,
                secret: c.get()?,
                decision: c.get()?,
                order: c.get()?,
            })
        })?;
    conn.prepare_cached(
        "UPDATE access SET total = max(total, ?3), last_boot_ns = max(last_boot_ns, ?4),
             first_boot_ns = min(first_boot_ns, ?5)
         WHERE boot = ?1 AND id = ?2",
    )?
    .execute(params![
        boot,
        bits(access.id.0),
        count(access.total),
        bits(access.last.as_nanos()),
        bits(access.first.as_nanos()),
    ])?;
    if says_more(access, &before, secret, decision) {
        conn.prepare_cached(
            "UPDATE access SET workload = CASE ?3 WHEN 0 THEN workload ELSE ?3 END, pid = coalesce(?4, pid),
                 start_boot_ns = coalesce(?5, start_boot_ns), exec = coalesce(?6, exec), secret = ?7, decision = ?8,
                 \"order\" = coalesce(?9, \"order\")
             WHERE boot = ?1 AND id = ?2",
        )?
        .execute(params![
            boot,
            bits(access.id.0),
            bits(access.workload.0),
            access.process.map(|process| process.pid),
            opt_bits(access.process.map(|process| process.start.as_nanos())),
            opt_bits(access.exec.map(|exec| exec.0)),
            secret,
            decision,
            opt_bits(access.order),
        ])?;
    }
    Ok(access.total.saturating_sub(before.total))
}

fn says_more(access: &Access, before: &Standing, secret: i64, decision: i64) -> bool {
    let new = |more: bool, differs: bool| more && differs;
    new(access.workload.is_known(), access.workload != before.workload)
        || new(access.process.is_some(), access.process.map(|p| p.pid) != before.pid)
        || new(access.exec.is_some(), opt_bits(access.exec.map(|exec| exec.0)) != before.exec)
        || new(access.order.is_some(), opt_bits(access.order) != before.order)
        || secret != before.secret
        || decision != before.decision
}
