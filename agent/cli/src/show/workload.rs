//! `workloads`.

use anyhow::Result;
use cofferdam_api::Ending;
use cofferdam_model::{Filter, WorkloadRow};

use super::access::or_dash;
use super::{Row, workload_name};
use crate::moment::to_seconds;
use crate::source::{Sink, Source};
use crate::table::{Cell, Table};
use crate::text::{DIM, GOOD, PLAIN};

impl Row for WorkloadRow {
    const ROWS: &'static str = "workloads";

    fn ask(source: &mut dyn Source, filter: &Filter, sink: &mut Sink<'_, Self>) -> Result<Ending> {
        source.workloads(filter, sink)
    }

    fn table(rows: &[Self], wide: bool) -> Table {
        let mut titles = vec!["WORKLOAD", "KIND", "IMAGE", "SINCE (UTC)", "STATE", "SECRETS IN ENVIRONMENT"];
        if wide {
            titles.extend(["RUNTIME", "CONTAINER ID", "POD UID", "DIGEST", "CGROUP", "CGROUP ID>", "LABELS"]);
        }
        let mut table = Table::new(&titles);
        for row in rows {
            let variables = row.credential_variables.join(", ");
            let mut cells = vec![
                workload_name(Some(&row.workload), None),
                Cell::new(PLAIN, &row.kind),
                or_dash(row.image.as_deref()),
                Cell::new(DIM, to_seconds(row.since)),
                match row.until {
                    None => Cell::new(GOOD, "running"),
                    Some(until) => Cell::new(DIM, format!("ended {}", to_seconds(until))),
                },
                or_dash(Some(variables).filter(|variables| !variables.is_empty())),
            ];
            if wide {
                let labels: Vec<_> =
                    row.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                cells.extend([
                    or_dash(row.runtime.as_deref()),
                    or_dash(row.container_id.as_deref()),
                    or_dash(row.pod_uid.as_deref()),
                    or_dash(row.image_digest.as_deref()),
                    Cell::new(PLAIN, &row.cgroup),
                    Cell::new(PLAIN, row.cgroup_id.to_string()),
                    or_dash(Some(labels.join(",")).filter(|labels| !labels.is_empty())),
                ]);
            }
            table.row(cells);
        }
        table
    }
}
