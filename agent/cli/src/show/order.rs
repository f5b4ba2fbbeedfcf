//! `orders`, `contain`, `release` and `unload`.

use cofferdam_api::{OrderRow, OrderScope};

use super::count_of;
use super::policy::{peer, workloads};
use crate::moment::to_seconds;
use crate::screen::Screen;
use crate::table::{Cell, Shorten, Table};
use crate::text::{BAD, BOLD, DIM, GOOD, Line, NOTABLE, PLAIN};

/// The orders in force.
pub(crate) fn orders(rows: &[OrderRow], screen: Screen) -> Vec<Line> {
    if rows.is_empty() { vec![Line::of(DIM, "no orders are in force")] } else { table(rows, screen) }
}

/// That an order is in force, and until when.
pub(crate) fn contained(row: &OrderRow, screen: Screen) -> Vec<Line> {
    let mut lines = table(std::slice::from_ref(row), screen);
    let what = match row.workloads.len() as u64 {
        0 => "nothing that runs here now, and all of it that starts".to_owned(),
        count => count_of(count, "workload"),
    };
    let until = row.until.map_or_else(String::new, |until| format!(" until {} UTC", to_seconds(until)));
    let end = format!(": {what}{until}; lift it with: cofferdam release {}", row.id);
    lines.extend([Line::new(), Line::of(GOOD, "contained").with(PLAIN, end)]);
    lines
}

/// That an order has ended.
pub(crate) fn released(row: &OrderRow, screen: Screen) -> Vec<Line> {
    let mut lines = table(std::slice::from_ref(row), screen);
    let what = format!(": {} is no longer in force; policies apply as before", row.id);
    lines.extend([Line::new(), Line::of(NOTABLE, "released").with(PLAIN, what)]);
    lines
}

/// That nothing is enforced any more.
pub(crate) fn unloaded() -> Line {
    Line::of(BAD, "unloaded").with(
        PLAIN,
        ": every rule and order is lifted, and the agent ends; nothing is denied on this node until it \
                      is started again",
    )
}

fn table(rows: &[OrderRow], screen: Screen) -> Vec<Line> {
    let mut titles = vec!["ORDER", "CONTAINS", "HERE", "UNTIL (UTC)", "OWNER", "REASON"];
    if screen.wide {
        titles.extend(["SINCE (UTC)", "BY"]);
    }
    let mut table = Table::new(&titles);
    for row in rows {
        let until = match row.until {
            Some(until) => Cell::shortened(Shorten::Day, PLAIN, &to_seconds(until), Line::new()),
            None => Cell::new(PLAIN, "its release"),
        };
        let mut cells = vec![
            Cell::new(BOLD, &row.id),
            Cell::lines(scope(row)),
            workloads(&row.workloads, screen),
            until,
            Cell::new(PLAIN, &row.owner),
            Cell::new(PLAIN, &row.reason),
        ];
        if screen.wide {
            cells.extend([Cell::new(DIM, to_seconds(row.since)), peer(row.by).into()]);
        }
        table.row(cells);
        if row.sockets_destroyed > 0 {
            table.note(Line::of(
                DIM,
                format!("{} destroyed", count_of(row.sockets_destroyed, "open connection")),
            ));
        }
        for note in &row.notes {
            table.note(Line::of(NOTABLE, note));
        }
    }
    table.into_lines(screen.columns)
}

/// What an order does, a line for each effect.
fn scope(row: &OrderRow) -> Vec<Line> {
    let mut lines = vec![match &row.scope {
        OrderScope::Workload { workload } => Line::of(PLAIN, workload),
        OrderScope::Credential { secret, workload: None } => {
            Line::of(PLAIN, secret).with(DIM, " from every workload")
        }
        OrderScope::Credential { secret, workload: Some(workload) } => {
            Line::of(PLAIN, secret).with(DIM, " from ").with(PLAIN, workload)
        }
    }];
    if row.cut_off {
        lines.push(Line::of(BAD, "cut off"));
    }
    lines
}
