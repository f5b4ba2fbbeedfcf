//! Programs that processes run, and the ends of processes.

use cofferdam_model::{BootTime, Process, ProcessKey};
use rusqlite::{Connection, Result, params};

use crate::codec::{InodeColumns, bits, opt_bits};

/// Writes a program; of one that is known it takes what the record says more. Returns whether it is a new row.
pub(super) fn put(conn: &Connection, boot: i64, process: &Process) -> Result<bool> {
    let inode = InodeColumns::from(process.executable.inode);
    let interpreter = InodeColumns::from(process.executable.interpreter_inode);
    let values = params![
        boot,
        bits(process.exec.0),
        process.key.pid,
        bits(process.key.start.as_nanos()),
        process.parent.map(|parent| parent.pid),
        opt_bits(process.parent.map(|parent| parent.start.as_nanos())),
        opt_bits(process.parent_exec.map(|exec| exec.0)),
        bits(process.workload.0),
        bits(process.cgroup.0),
        process.uid,
        process.executable.path,
        inode.device,
        inode.device_generation,
        inode.ino,
        inode.generation,
        process.executable.origin.as_str(),
        process.executable.interpreter,
        process.exec_session,
        process.runtime,
        process.adopted,
        bits(process.began.as_nanos()),
        interpreter.device,
        interpreter.device_generation,
        interpreter.ino,
        interpreter.generation,
    ];
    let inserted = conn
        .prepare_cached(
            "INSERT INTO process (boot, exec, pid, start_boot_ns, parent_pid, parent_start_boot_ns, parent_exec,
                 workload, cgroup, uid, binary, device, device_generation, inode, inode_generation, origin,
                 interpreter, exec_session, runtime, adopted, began_boot_ns, interpreter_device,
                 interpreter_device_generation, interpreter_inode, interpreter_inode_generation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                 ?22, ?23, ?24, ?25)
             ON CONFLICT (boot, exec) DO NOTHING",
        )?
        .execute(values)?;
    if inserted == 1 {
        return Ok(true);
    }
    conn.prepare_cached(
        "UPDATE process SET pid = ?3, start_boot_ns = ?4, parent_pid = coalesce(?5, parent_pid),
             parent_start_boot_ns = coalesce(?6, parent_start_boot_ns), parent_exec = coalesce(?7, parent_exec),
             workload = CASE ?8 WHEN 0 THEN workload ELSE ?8 END, cgroup = ?9, uid = ?10,
             binary = coalesce(?11, binary), device = coalesce(?12, device),
             device_generation = coalesce(?13, device_generation), inode = coalesce(?14, inode),
             inode_generation = coalesce(?15, inode_generation),
             origin = CASE ?16 WHEN 'unknown' THEN origin ELSE ?16 END,
             interpreter = coalesce(?17, interpreter), exec_session = coalesce(?18, exec_session),
             runtime = ?19, adopted = ?20, began_boot_ns = ?21,
             interpreter_device = coalesce(?22, interpreter_device),
             interpreter_device_generation = coalesce(?23, interpreter_device_generation),
             interpreter_inode = coalesce(?24, interpreter_inode),
             interpreter_inode_generation = coalesce(?25, interpreter_inode_generation)
         WHERE boot = ?1 AND exec = ?2",
    )?
    .execute(values)?;
    Ok(false)
}

/// Writes that a process ended; the earliest report stands.
pub(super) fn put_end(conn: &Connection, boot: i64, process: ProcessKey, at: BootTime) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO process_end (boot, pid, start_boot_ns, ended_boot_ns) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET ended_boot_ns = min(ended_boot_ns, excluded.ended_boot_ns)",
    )?
    .execute(params![boot, process.pid, bits(process.start.as_nanos()), bits(at.as_nanos())])?;
    Ok(())
}
