//! `attempts`.

use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{AttemptRow, Filter};

use super::access::or_dash;
use super::{Decided, Row, process_flags, program, workload_name};
use crate::moment::to_millis;
use crate::source::{Sink, Source};
use crate::table::{Cell, Shorten, Table};
use crate::text::{BOLD, DIM, Line, PLAIN};

impl Row for AttemptRow {
    const ROWS: &'static str = "attempts";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.attempts(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles = vec!["AT (UTC)", "WORKLOAD", "PROCESS", "TRIED", "OBJECT", "VERDICT", "RULE"];
        if wide {
            titles.extend([
                "UID>",
                "PPID>",
                "INTERPRETER",
                "CONTAINER ID",
                "OBJECT INODE",
                "ENFORCED BY",
                "GENERATION>",
                "ID",
            ]);
        }
        let mut table = Table::new(&titles);
        for row in rows {
            let decided = Decided::from(row);
            let mut cells = vec![
                Cell::shortened(Shorten::Day, DIM, &to_millis(row.at), Line::new()),
                workload_name(row.workload.as_deref(), row.cgroup.as_deref()),
                program(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session),
                Cell::new(PLAIN, row.what.as_str()),
                object_cell(row),
                decided.verdict().into(),
                decided.rule(),
            ];
            if wide {
                cells.extend([
                    or_dash(row.uid),
                    or_dash(row.ppid),
                    or_dash(row.interpreter.as_deref()),
                    or_dash(row.container_id.as_deref()),
                    or_dash(row.object_inode.as_deref()),
                    Cell::new(PLAIN, row.enforced_by.as_str()),
                    Cell::new(PLAIN, row.generation.to_string()),
                    Cell::new(DIM, &row.id),
                ]);
            }
            table.row(cells);
        }
        table
    }
}

/// On what it was tried, and where that comes from if it is unusual.
pub(super) fn object_cell(row: &AttemptRow) -> Cell {
    Cell::shortened(Shorten::Path, PLAIN, &row.object, origin(row))
}

/// `execute /tmp/stage2 [written]`.
pub(crate) fn tried(row: &AttemptRow) -> Line {
    let mut line = Line::of(PLAIN, format!("{} ", row.what)).with(BOLD, &row.object);
    line.append(origin(row));
    line
}

fn origin(row: &AttemptRow) -> Line {
    row.object_origin.map_or_else(Line::new, |origin| process_flags(origin, None))
}
