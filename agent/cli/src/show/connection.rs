//! `connections`.

use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{ConnectionRow, Filter};

use super::access::or_dash;
use super::{Decided, Row, destination, number, program, taint, workload_name};
use crate::moment::to_millis;
use crate::source::{Sink, Source};
use crate::table::{Cell, Shorten, Table};
use crate::text::{DIM, Line, PLAIN};

impl Row for ConnectionRow {
    const ROWS: &'static str = "connections";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.connections(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles =
            vec!["FIRST (UTC)", "WORKLOAD", "PROCESS", "DESTINATION", "COUNT>", "VERDICT", "AFTER TOUCHING"];
        if wide {
            titles.extend([
                "LAST (UTC)",
                "UID>",
                "PPID>",
                "INTERPRETER",
                "CONTAINER ID",
                "FAMILY>",
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
                destination(row).into(),
                Cell::new(PLAIN, number(row.count)),
                Decided::from(row).verdict().into(),
                if row.tainted_by.is_empty() { Cell::new(DIM, "-") } else { taint(&row.tainted_by).into() },
            ];
            if wide {
                cells.extend([
                    Cell::new(DIM, to_millis(row.last)),
                    or_dash(row.uid),
                    or_dash(row.ppid),
                    or_dash(row.interpreter.as_deref()),
                    or_dash(row.container_id.as_deref()),
                    Cell::new(PLAIN, row.family.to_string()),
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
