//! Attempts: events that are not counted but stand each for itself.

use cofferdam_model::{Attempt, BinaryOrigin};
use rusqlite::{Connection, Result, params};

use crate::codec::{InodeColumns, bits, opt_bits};

/// Inserts a row unless there is one. Returns whether it did.
pub(super) fn insert(conn: &Connection, boot: i64, attempt: &Attempt, decision: i64) -> Result<bool> {
    let inode = InodeColumns::from(attempt.inode);
    let inserted = conn
        .prepare_cached(
            "INSERT INTO attempt (boot, id, at_boot_ns, workload, cgroup, cgroup_path, uid, pid, start_boot_ns, exec,
                 what, object, device, device_generation, inode, inode_generation, origin, verdict, decision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
             ON CONFLICT (boot, id) DO NOTHING",
        )?
        .execute(params![
            boot,
            bits(attempt.id.0),
            bits(attempt.at.as_nanos()),
            bits(attempt.workload.0),
            bits(attempt.cgroup.0),
            attempt.cgroup_path,
            attempt.uid,
            attempt.process.map(|process| process.pid),
            opt_bits(attempt.process.map(|process| process.start.as_nanos())),
            opt_bits(attempt.exec.map(|exec| exec.0)),
            attempt.what.as_str(),
            attempt.object,
            inode.device,
            inode.device_generation,
            inode.ino,
            inode.generation,
            attempt.origin.map(BinaryOrigin::as_str),
            attempt.verdict.as_str(),
            decision,
        ])?;
    Ok(inserted == 1)
}
