//! `audit`.

use anstyle::Style;
use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{AuditKind, AuditRow, Filter, Peer};

use super::access::or_dash;
use super::{Row, workload_name};
use crate::moment::to_millis;
use crate::source::{Sink, Source};
use crate::table::{Cell, Shorten, Table};
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

impl Row for AuditRow {
    const ROWS: &'static str = "audited acts";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.audits(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles = vec!["AT (UTC)", "WHAT", "SUBJECT", "WORKLOAD", "BY", "DETAIL"];
        if wide {
            titles.push("BOOT ID");
        }
        let mut table = Table::new(&titles).ordinarily("WORKLOAD", "-");
        for row in rows {
            let mut cells = vec![
                Cell::shortened(Shorten::Day, DIM, &to_millis(row.at), Line::new()),
                Cell::new(style(row.what), row.what.as_str()),
                Cell::new(PLAIN, &row.subject),
                match &row.workload {
                    Some(name) => workload_name(Some(name), None),
                    None => Cell::new(DIM, "-"),
                },
                by(row.by).into(),
                or_dash(Some(&row.detail).filter(|detail| !detail.is_empty())),
            ];
            if wide {
                cells.push(Cell::new(DIM, row.boot_id.as_str()));
            }
            table.row(cells);
        }
        table
    }
}

/// `policy-applied payments/api by uid 0 (pid 77): detail`.
pub(crate) fn act(row: &AuditRow) -> Line {
    let mut line = Line::of(style(row.what), row.what.as_str()).with(PLAIN, " ").with(BOLD, &row.subject);
    if row.by.is_some() {
        line.push(PLAIN, " by ");
        line.append(by(row.by));
    }
    if !row.detail.is_empty() {
        line.push(PLAIN, format!(": {}", row.detail));
    }
    line
}

/// Who asked for it.
fn by(peer: Option<Peer>) -> Line {
    match peer {
        Some(Peer { uid, pid }) => Line::of(PLAIN, format!("uid {uid}")).with(DIM, format!(" (pid {pid})")),
        None => Line::of(DIM, "the agent"),
    }
}

/// How much less, or more, is enforced than before.
fn style(what: AuditKind) -> Style {
    match what {
        AuditKind::PolicyRefused | AuditKind::Unloaded | AuditKind::PeerRefused => BAD,
        AuditKind::PolicyRemoved
        | AuditKind::PolicyRolledBack
        | AuditKind::ExceptionAccepted
        | AuditKind::ExceptionExpired
        | AuditKind::LateBind
        | AuditKind::Held
        | AuditKind::Contained
        | AuditKind::Released => NOTABLE,
        AuditKind::PolicyApplied | AuditKind::PolicyConfirmed => GOOD,
    }
}
