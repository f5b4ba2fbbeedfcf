//! Asking a copied journal: no agent, no network, no change to the copy.

use std::path::Path;

use anyhow::{Result, anyhow};
use cofferdam_api::{BackendError, Ending, Event, Rows, TimelineParts};
use cofferdam_journal::{Chapter, Denials, Error, Evidence, Reader, Timeline};
use cofferdam_model::{
    AccessRow, Answer, AttemptRow, AuditRow, ConnectionRow, DetectionRow, Filter, SecretRow, WorkloadRow,
};

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

    /// Everything that it holds, as records.
    pub(crate) fn records(&self, take: impl FnMut(Chapter)) -> Result<Answer<()>> {
        Ok(self.0.records(take)?)
    }

    /// What it holds of a range, for replays and for learning.
    pub(crate) fn evidence(&self, filter: &Filter) -> Result<Evidence> {
        Ok(self.0.evidence(filter)?)
    }
}

fn pour<Row>(answer: Answer<Row>, sink: &mut Sink<'_, Row>) -> Result<Ending> {
    sink(answer.rows)?;
    Ok(Ending { completeness: answer.completeness, since: answer.since, until: answer.until })
}

/// Pours an answer that is made up of several kinds of rows.
fn together(
    sink: &mut Sink<'_, Event>,
    push: impl FnOnce(&mut Rows<'_, Event>) -> Result<Ending, BackendError>,
) -> Result<Ending> {
    let mut events = Vec::new();
    let mut collect = |event| {
        events.push(event);
        Ok(())
    };
    let ending = push(&mut Rows::new(&mut collect)).map_err(|error| anyhow!(error))?;
    sink(events)?;
    Ok(ending)
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
        attempts -> AttemptRow,
        audits -> AuditRow,
        detections -> DetectionRow,
        workloads -> WorkloadRow,
        secrets -> SecretRow,
    }

    fn timeline(&mut self, filter: &Filter, sink: &mut Sink<'_, Event>) -> Result<Ending> {
        let Timeline { processes, accesses, connections, attempts, audits, detections, losses } =
            self.0.timeline(filter)?;
        let parts = TimelineParts { processes, accesses, connections, attempts, audits, detections, losses };
        together(sink, |rows| rows.timeline(parts))
    }

    fn denials(&mut self, filter: &Filter, sink: &mut Sink<'_, Event>) -> Result<Ending> {
        let Denials { accesses, connections, attempts } = self.0.denials(filter)?;
        together(sink, |rows| rows.denials(accesses, connections, attempts, filter.limit))
    }
}
