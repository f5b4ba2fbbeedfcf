//! Acts of enforcement. They have no id: each is written once.

use cofferdam_model::Audit;
use rusqlite::{Connection, Result, params};

use crate::codec::{bits, opt_bits};

/// Adds a row.
pub(super) fn put(conn: &Connection, boot: i64, audit: &Audit) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO audit (boot, at_boot_ns, what, subject, workload, by_uid, by_pid, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        boot,
        bits(audit.at.as_nanos()),
        audit.what.as_str(),
        audit.subject,
        opt_bits(audit.workload.map(|workload| workload.0)),
        audit.by.map(|by| by.uid),
        audit.by.map(|by| by.pid),
        audit.detail,
    ])?;
    Ok(())
}
