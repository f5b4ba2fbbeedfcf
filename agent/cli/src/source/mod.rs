//! Where answers come from: the agent, or a copied journal.

mod journal;
mod socket;

pub(crate) use journal::CopiedJournal;
pub(crate) use socket::{Agent, WatchEnd, WatchMoment};

use anyhow::Result;
use cofferdam_api::{Ending, Event};
use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, ConnectionRow, DetectionRow, Filter, SecretRow, WorkloadRow,
};

/// Takes rows in chunks, oldest first.
pub(crate) type Sink<'a, Row> = dyn FnMut(Vec<Row>) -> Result<()> + 'a;

/// Answers questions about what happened.
pub(crate) trait Source {
    /// Who touched which secret.
    fn accesses(&mut self, filter: &Filter, sink: &mut Sink<'_, AccessRow>) -> Result<Ending>;
    /// Who connected where.
    fn connections(&mut self, filter: &Filter, sink: &mut Sink<'_, ConnectionRow>) -> Result<Ending>;
    /// What else a rule decided.
    fn attempts(&mut self, filter: &Filter, sink: &mut Sink<'_, AttemptRow>) -> Result<Ending>;
    /// What was refused or would have been.
    fn denials(&mut self, filter: &Filter, sink: &mut Sink<'_, Event>) -> Result<Ending>;
    /// What was done to the enforcement, or by it.
    fn audits(&mut self, filter: &Filter, sink: &mut Sink<'_, AuditRow>) -> Result<Ending>;
    /// What rules have found.
    fn detections(&mut self, filter: &Filter, sink: &mut Sink<'_, DetectionRow>) -> Result<Ending>;
    /// Programs, accesses, connections, attempts, acts, detections and losses, in any order.
    fn timeline(&mut self, filter: &Filter, sink: &mut Sink<'_, Event>) -> Result<Ending>;
    /// What runs and ran here.
    fn workloads(&mut self, filter: &Filter, sink: &mut Sink<'_, WorkloadRow>) -> Result<Ending>;
    /// What credentials the node holds.
    fn secrets(&mut self, filter: &Filter, sink: &mut Sink<'_, SecretRow>) -> Result<Ending>;
}
