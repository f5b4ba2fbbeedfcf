//! Where secrets were found and who may see them.

use cofferdam_model::{BootTime, WorkloadId};
use rusqlite::{Connection, Result, params};

use crate::codec::{bits, opt_bits};

/// What a record says of a secret beside its reference.
pub(super) struct Found<'r> {
    pub(super) path: Option<&'r str>,
    pub(super) visible_to: &'r [WorkloadId],
    pub(super) since: BootTime,
    pub(super) until: Option<BootTime>,
}

/// Writes it. A secret that is found again after it was gone is there again; whoever could see it once stays noted.
pub(super) fn put(conn: &Connection, boot: i64, secret: i64, found: &Found<'_>) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO secret_found (secret, boot, path, since_boot_ns, until_boot_ns) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (secret, boot) DO UPDATE SET
             path = coalesce(excluded.path, path),
             since_boot_ns = min(since_boot_ns, excluded.since_boot_ns),
             until_boot_ns = CASE
                 WHEN excluded.until_boot_ns IS NULL AND excluded.since_boot_ns > until_boot_ns THEN NULL
                 ELSE coalesce(excluded.until_boot_ns, until_boot_ns) END",
    )?
    .execute(params![
        secret,
        boot,
        found.path,
        bits(found.since.as_nanos()),
        opt_bits(found.until.map(BootTime::as_nanos)),
    ])?;
    let mut visible = conn.prepare_cached(
        "INSERT INTO secret_visible (secret, boot, workload) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?;
    for workload in found.visible_to {
        visible.execute(params![secret, boot, bits(workload.0)])?;
    }
    Ok(())
}
