//! `accesses`.

use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{AccessRow, Filter};

use super::parts::secret_cell;
use super::{Decided, Row, how, number, program, workload_name};
use crate::moment::to_millis;
use crate::source::{Sink, Source};
use crate::table::{Cell, Shorten, Table};
use crate::text::{DIM, Line, PLAIN};

impl Row for AccessRow {
    const ROWS: &'static str = "accesses";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.accesses(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles = vec!["FIRST (UTC)", "WORKLOAD", "PROCESS", "SECRET", "HOW", "COUNT>", "VERDICT"];
        if wide {
            titles.extend([
                "LAST (UTC)",
                "UID>",
                "PPID>",
                "INTERPRETER",
                "CONTAINER ID",
                "IMAGE",
                "ORDER>",
                "ENFORCED BY",
                "POLICY",
                "RULE",
                "ID",
            ]);
        }
        let mut table = Table::new(&titles).ordinarily("COUNT", "1").ordinarily("VERDICT", "allowed");
        for row in rows {
            let mut cells = vec![
                Cell::shortened(Shorten::Day, DIM, &to_millis(row.first), Line::new()),
                workload_name(row.workload.as_deref(), row.cgroup.as_deref()),
                program(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session),
                secret_cell(row),
                how(row.how, row.mode).into(),
                Cell::new(PLAIN, number(row.count)),
                Decided::from(row).verdict().into(),
            ];
            if wide {
                cells.extend([
                    Cell::new(DIM, to_millis(row.last)),
                    or_dash(row.uid),
                    or_dash(row.ppid),
                    or_dash(row.interpreter.as_deref()),
                    or_dash(row.container_id.as_deref()),
                    or_dash(row.image.as_deref()),
                    or_dash(row.order),
                    Cell::new(PLAIN, row.enforced_by.as_str()),
                    or_dash(row.policy.as_deref()),
                    or_dash(row.rule.as_deref()),
                    Cell::new(DIM, &row.id),
                ]);
            }
            table.row(cells);
        }
        table
    }
}

/// The value, or what stands for none.
pub(super) fn or_dash(value: Option<impl ToString>) -> Cell {
    match value {
        Some(value) => Cell::new(PLAIN, value.to_string()),
        None => Cell::new(DIM, "-"),
    }
}
