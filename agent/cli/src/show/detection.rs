//! `detections`: what rules have found, for whoever was woken up by it.

use anstyle::Style;
use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{DetectionRow, Filter, Severity};

use super::access::or_dash;
use super::{Row, program, workload_name};
use crate::moment::to_millis;
use crate::source::{Sink, Source};
use crate::table::{Cell, Shorten, Table};
use crate::text::{BAD, BOLD, DIM, Line, NOTABLE, PLAIN};

impl Row for DetectionRow {
    const ROWS: &'static str = "detections";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.detections(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles = vec!["AT (UTC)", "SEVERITY", "RULE", "WORKLOAD", "SECRET", "PROCESS"];
        if wide {
            titles.extend(["UID>", "TECHNIQUES", "CONTAIN", "REVOKE", "CONTAINER ID", "EVIDENCE", "ID"]);
        }
        let mut table = Table::new(&titles);
        for row in rows {
            let mut cells = vec![
                Cell::shortened(Shorten::Day, DIM, &to_millis(row.at), Line::new()),
                severity(row.severity).into(),
                Cell::new(PLAIN, &row.rule),
                workload_name(row.workload.as_deref(), None),
                or_dash(secret(row)),
                program(row.binary.as_deref(), row.pid, row.binary_origin, row.exec_session),
            ];
            if wide {
                cells.extend([
                    or_dash(row.uid),
                    Cell::new(PLAIN, row.techniques.join(" ")),
                    Cell::new(PLAIN, row.contain.as_str()),
                    Cell::new(PLAIN, if row.revoke { "yes" } else { "no" }),
                    or_dash(row.container_id.as_deref()),
                    Cell::new(DIM, row.evidence.join(" ")),
                    Cell::new(DIM, &row.id),
                ]);
            }
            table.row(cells);
            table.note(title(row));
        }
        table
    }
}

/// `high secret-sweep: Processes of one origin went through many secrets`.
pub(crate) fn finding(row: &DetectionRow) -> Line {
    let mut line = severity(row.severity).with(PLAIN, " ").with(BOLD, &row.rule).with(PLAIN, ": ");
    line.append(title(row));
    line
}

/// The secret that it is about, with its key.
pub(crate) fn secret(row: &DetectionRow) -> Option<String> {
    let secret = row.secret.as_ref()?;
    Some(row.key.as_ref().map_or_else(|| secret.clone(), |key| format!("{secret}:{key}")))
}

/// How bad it is.
pub(crate) fn severity(severity: Severity) -> Line {
    Line::of(style(severity), severity.as_str())
}

/// What has happened, and how often it has besides.
fn title(row: &DetectionRow) -> Line {
    let line = Line::of(PLAIN, &row.title);
    match row.withheld {
        0 => line,
        more => {
            line.with(DIM, format!(" (and {} more since it was last told)", super::count_of(more, "time")))
        }
    }
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical | Severity::High => BAD,
        Severity::Medium => NOTABLE,
        Severity::Low => PLAIN,
        Severity::Info => DIM,
    }
}
