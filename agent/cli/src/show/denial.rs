//! `denials`: accesses, connections and attempts in one table.

use anyhow::Result;
use cofferdam_api::{Ending, Event};
use cofferdam_model::{AccessRow, AttemptRow, ConnectionRow, Filter, WallTime};

use super::access::or_dash;
use super::attempt::object_cell;
use super::parts::secret_cell;
use super::{Decided, Row, destination, how, number, program, workload_name};
use crate::moment::to_millis;
use crate::source::{Sink, Source};
use crate::table::{Cell, Shorten, Table};
use crate::text::{DIM, Line, PLAIN};

impl Row for Event {
    const ROWS: &'static str = "denials";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.denials(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles =
            vec!["FIRST (UTC)", "WORKLOAD", "PROCESS", "TRIED", "WHAT", "COUNT>", "VERDICT", "RULE"];
        if wide {
            titles.extend(["LAST (UTC)", "UID>", "CONTAINER ID", "ENFORCED BY", "ID"]);
        }
        let mut table = Table::new(&titles).ordinarily("COUNT", "1");
        let denials = rows.iter().filter_map(|event| match event {
            Event::Access(row) => Some(access(row, wide)),
            Event::Connection(row) => Some(connection(row, wide)),
            Event::Attempt(row) => Some(attempt(row, wide)),
            Event::Process(_) | Event::Audit(_) | Event::Detection(_) | Event::Loss(_) => None,
        });
        denials.for_each(|cells| table.row(cells));
        table
    }
}

/// The cells that look the same whatever was refused.
macro_rules! cells {
    ($row:expr, $first:expr, $last:expr, $count:expr, $tried:expr, $what:expr, $wide:expr) => {{
        let row = $row;
        let decided = Decided::from(row);
        let mut cells = vec![
            Cell::shortened(Shorten::Day, DIM, &to_millis($first), Line::new()),
            workload_name(row.workload.as_deref(), row.cgroup.as_deref()),
            program(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session),
            $tried,
            $what,
            Cell::new(PLAIN, number($count)),
            decided.verdict().into(),
            decided.rule(),
        ];
        if $wide {
            let last: WallTime = $last;
            cells.extend([
                Cell::new(DIM, to_millis(last)),
                or_dash(row.uid),
                or_dash(row.container_id.as_deref()),
                Cell::new(PLAIN, row.enforced_by.as_str()),
                Cell::new(DIM, &row.id),
            ]);
        }
        cells
    }};
}

fn access(row: &AccessRow, wide: bool) -> Vec<Cell> {
    cells!(row, row.first, row.last, row.count, how(row.how, row.mode).into(), secret_cell(row), wide)
}

fn connection(row: &ConnectionRow, wide: bool) -> Vec<Cell> {
    let tried = Cell::new(PLAIN, "connect");
    cells!(row, row.first, row.last, row.count, tried, destination(row).into(), wide)
}

fn attempt(row: &AttemptRow, wide: bool) -> Vec<Cell> {
    cells!(row, row.at, row.at, 1, Cell::new(PLAIN, row.what.as_str()), object_cell(row), wide)
}
