//! `secrets`: what this node holds, who may see it, who has.

use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{Filter, SecretRow};

use super::access::or_dash;
use super::{Row, number};
use crate::moment::to_seconds;
use crate::source::{Sink, Source};
use crate::table::{Cell, Table};
use crate::text::{BAD, DIM, Line, PLAIN};

impl Row for SecretRow {
    const ROWS: &'static str = "secrets";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.secrets(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles =
            vec!["SECRET", "KIND", "KEYS", "MAY BE SEEN BY", "TOUCHED BY", "TIMES>", "LAST (UTC)"];
        if wide {
            titles.extend(["FOUND (UTC)", "PATH", "POD UID", "SECRET UID"]);
        }
        let mut table = Table::new(&titles);
        for row in rows {
            let mut name = Line::of(PLAIN, &row.secret);
            if row.until.is_some() {
                name.push(DIM, " [gone]");
            }
            let mut cells = vec![
                name.into(),
                Cell::new(PLAIN, row.kind.as_str()),
                stacked(row.keys.iter().map(|key| Line::of(PLAIN, key))),
                stacked(row.visible_to.iter().map(|workload| Line::of(PLAIN, workload))),
                stacked(row.accessed_by.iter().map(|workload| toucher(row, workload))),
                Cell::new(PLAIN, number(row.accesses)),
                or_dash(row.last_access.map(to_seconds)),
            ];
            if wide {
                cells.extend([
                    Cell::new(DIM, to_seconds(row.since)),
                    or_dash(row.path.as_deref()),
                    or_dash(row.pod_uid.as_deref()),
                    or_dash(row.secret_uid.as_deref()),
                ]);
            }
            table.row(cells);
        }
        table
    }
}

/// One that touched a secret which is not known to be its own: that is what this table is read for.
fn toucher(row: &SecretRow, workload: &str) -> Line {
    let known = row.visible_to.is_empty() || row.visible_to.iter().any(|other| other == workload);
    if known { Line::of(PLAIN, workload) } else { Line::of(BAD, workload).with(BAD, " [not its own]") }
}

fn stacked(lines: impl Iterator<Item = Line>) -> Cell {
    let mut lines = lines.peekable();
    if lines.peek().is_none() { Cell::new(DIM, "-") } else { Cell::lines(lines) }
}
