//! Asking a copied journal: no agent, no network, no change to the copy.

use std::path::Path;

use anyhow::{Result, anyhow};
use cofferdam_api::{BackendError, Ending, Event, Rows};
use cofferdam_journal::{Error, Reader};
use cofferdam_model::{AccessRow, Answer, ConnectionRow, Filter, SecretRow, WorkloadRow};

use super::{Sink, Source};

/// A journal in a directory.
pub(crate) struct CopiedJournal(Reader);

impl CopiedJournal {
    /// The journal in `dir`; also if `dir` is a copy of the whole state directory.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let reader = match Reader::open(dir) {
            Err(Error::NoJournal { .. }) if dir.join("journal").is_dir() => {
                Reader::open(dir.join("journal"))?
            }
            opened => opened?,
        };
        Ok(Self(reader))
    }
}

fn pour<Row>(answer: Answer<Row>, sink: &mut Sink<'_, Row>) -> Result<Ending> {
    sink(answer.rows)?;
    Ok(Ending { completeness: answer.completeness, since: answer.since, until: answer.until })
}

macro_rules! questions {
    ($($name:ident -> $row:ty),+ $(,)?) => {$(
        fn $name(&mut self, filter: &Filter, sink: &mut Sink<'_, $row>) -> Result<Ending> {
            pour(self.0.$name(filter)?, sink)
        }
    )+};
}

impl Source for CopiedJournal {
    questions! {
        accesses -> AccessRow,
        connections -> ConnectionRow,
        workloads -> WorkloadRow,
        secrets -> SecretRow,
    }

    fn timeline(&mut self, filter: &Filter, sink: &mut Sink<'_, Event>) -> Result<Ending> {
        let timeline = self.0.timeline(filter)?;
        let mut events = Vec::new();
        let mut collect = |event| {
            events.push(event);
            Ok(())
        };
        let mut rows = Rows::new(&mut collect);
        let ending = rows
            .timeline(timeline.processes, timeline.accesses, timeline.connections, timeline.losses)
            .map_err(|error: BackendError| anyhow!(error))?;
        sink(events)?;
        Ok(ending)
    }
}
