//! What rules have found. A detection is known by its rule and the event that completed it, however often it is told.

use cofferdam_model::{Detection, EventId};
use rusqlite::{Connection, Result, params};
use serde::Serialize;

use crate::codec::{bits, count, json, opt_bits};

/// What a condition was told, as it is stored: the event by its bits, like every id.
#[derive(Serialize)]
struct Told<'d> {
    event: i64,
    field: &'d str,
    value: &'d str,
}

/// Inserts a row unless there is one.
pub(super) fn put(conn: &Connection, boot: i64, found: &Detection, secret: Option<i64>) -> Result<()> {
    let evidence: Vec<i64> = found.evidence.iter().map(|EventId(id)| bits(*id)).collect();
    let told =
        found.told.iter().map(|it| Told { event: bits(it.event.0), field: &it.field, value: &it.value });
    conn.prepare_cached(
        "INSERT INTO detection (boot, rule, event, at_boot_ns, title, severity, techniques, workload, uid, pid,
             start_boot_ns, exec, secret, evidence, told, withheld, contain, revoke)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
         ON CONFLICT (boot, rule, event) DO NOTHING",
    )?
    .execute(params![
        boot,
        found.rule,
        bits(found.event.0),
        bits(found.at.as_nanos()),
        found.title,
        found.severity.as_str(),
        json(&found.techniques)?,
        bits(found.workload.0),
        found.uid,
        found.process.map(|process| process.pid),
        opt_bits(found.process.map(|process| process.start.as_nanos())),
        opt_bits(found.exec.map(|exec| exec.0)),
        secret,
        json(&evidence)?,
        json(&told.collect::<Vec<_>>())?,
        count(found.withheld),
        found.response.contain.as_str(),
        found.response.revoke,
    ])?;
    Ok(())
}
