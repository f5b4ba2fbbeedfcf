//! What the daemon implements.

use std::error::Error;

use cofferdam_model::{
    AccessRow, Answer, AttemptRow, AuditRow, ConnectionRow, DetectionRow, Filter, LossRow, Peer, ProcessRow,
    SecretRow, WallTime, WorkloadRow,
};

use crate::answer::merge;
use crate::{Containment, Doctor, Ending, Event, Live, Status};

/// Answers the questions of this interface.
///
/// Queries may block: each runs on a thread of its own, at most eight at once. Rows are handed over one by one,
/// oldest first, and leave in chunks as fast as the asker takes them, so that no answer has to fit into memory.
pub trait Backend: Containment {
    /// Whether a process is answered at all; else why not. Asked once for each connection, when it is accepted, and
    /// may not block.
    fn admits(&self, peer: Peer) -> Result<(), String>;
    /// Who touched which secret.
    fn accesses(&self, filter: &Filter, rows: &mut Rows<'_, AccessRow>) -> Result<Ending, BackendError>;
    /// Who connected where.
    fn connections(
        &self,
        filter: &Filter,
        rows: &mut Rows<'_, ConnectionRow>,
    ) -> Result<Ending, BackendError>;
    /// What else a rule refused, would have, or let pass by an exception.
    fn attempts(&self, filter: &Filter, rows: &mut Rows<'_, AttemptRow>) -> Result<Ending, BackendError>;
    /// What was refused or would have been: accesses, connections and attempts together.
    fn denials(&self, filter: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError>;
    /// What was done to the enforcement, or by it.
    fn audits(&self, filter: &Filter, rows: &mut Rows<'_, AuditRow>) -> Result<Ending, BackendError>;
    /// What rules have found.
    fn detections(&self, filter: &Filter, rows: &mut Rows<'_, DetectionRow>) -> Result<Ending, BackendError>;
    /// Programs, accesses, connections, attempts, acts, detections and losses of the workloads that the filter selects.
    /// Each kind oldest first; the kinds in any order.
    fn timeline(&self, filter: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError>;
    /// What runs and ran here.
    fn workloads(&self, filter: &Filter, rows: &mut Rows<'_, WorkloadRow>) -> Result<Ending, BackendError>;
    /// What credentials this node holds.
    fn secrets(&self, filter: &Filter, rows: &mut Rows<'_, SecretRow>) -> Result<Ending, BackendError>;
    /// How the agent is.
    fn status(&self) -> Result<Status, BackendError>;
    /// What this node lets the agent see and deny.
    fn doctor(&self) -> Result<Doctor, BackendError>;
    /// Where live events are published.
    fn live(&self) -> &Live;
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The question makes no sense: the asker's mistake.
    #[error("the question cannot be answered")]
    BadQuestion(#[source] Box<dyn Error + Send + Sync>),
    /// The agent is starting.
    #[error("the agent is still starting")]
    NotReady,
    /// The asker went away, or the agent is stopping.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// It went wrong here.
    #[error(transparent)]
    Failed(#[from] Box<dyn Error + Send + Sync>),
}

/// Nobody waits for the answer any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody waits for the answer any more")]
pub struct Stopped;

/// Takes the rows of an answer.
pub struct Rows<'a, Row> {
    sink: &'a mut dyn FnMut(Row) -> Result<(), Stopped>,
}

impl<'a, Row> Rows<'a, Row> {
    /// Hands each row to `sink`.
    pub fn new(sink: &'a mut dyn FnMut(Row) -> Result<(), Stopped>) -> Self {
        Self { sink }
    }

    /// Takes one row; waits while the asker is slower. An error says to stop.
    pub fn push(&mut self, row: Row) -> Result<(), Stopped> {
        (self.sink)(row)
    }

    /// Takes an answer that is already in memory, and gives back its ending.
    pub fn answer(&mut self, answer: Answer<Row>) -> Result<Ending, BackendError> {
        for row in answer.rows {
            self.push(row)?;
        }
        Ok(Ending { completeness: answer.completeness, since: answer.since, until: answer.until })
    }
}

/// The answers that make up a timeline.
#[derive(Debug)]
pub struct TimelineParts {
    /// Programs that ran.
    pub processes: Answer<ProcessRow>,
    /// Accesses to secrets.
    pub accesses: Answer<AccessRow>,
    /// Connections made.
    pub connections: Answer<ConnectionRow>,
    /// What else a rule decided.
    pub attempts: Answer<AttemptRow>,
    /// What enforcement did.
    pub audits: Answer<AuditRow>,
    /// What rules have found.
    pub detections: Answer<DetectionRow>,
    /// What was lost meanwhile.
    pub losses: Vec<LossRow>,
}

impl Rows<'_, Event> {
    /// Takes the answers that make up a timeline, and gives back the ending of the whole.
    pub fn timeline(&mut self, parts: TimelineParts) -> Result<Ending, BackendError> {
        let first = self.events(parts.processes)?;
        let others = [
            self.events(parts.accesses)?,
            self.events(parts.connections)?,
            self.events(parts.attempts)?,
            self.events(parts.audits)?,
            self.events(parts.detections)?,
        ];
        parts.losses.into_iter().try_for_each(|loss| self.push(loss.into()))?;
        Ok(ending_of(first, others))
    }

    /// Takes the answers that denials are made up of, oldest first whatever they are, and gives back the ending of
    /// the whole. With a limit only the latest.
    pub fn denials(
        &mut self,
        accesses: Answer<AccessRow>,
        connections: Answer<ConnectionRow>,
        attempts: Answer<AttemptRow>,
        limit: Option<u64>,
    ) -> Result<Ending, BackendError> {
        let mut events = Vec::new();
        let mut collect = |event| {
            events.push(event);
            Ok(())
        };
        let mut all = Rows::new(&mut collect);
        let first = all.events(accesses)?;
        let others = [all.events(connections)?, all.events(attempts)?];
        events.sort_by_key(Event::time);
        let most = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let skipped = events.len().saturating_sub(most);
        events.into_iter().skip(skipped).try_for_each(|event| self.push(event))?;
        Ok(ending_of(first, others))
    }

    fn events<Row: Into<Event>>(&mut self, answer: Answer<Row>) -> Result<Ending, Stopped> {
        for row in answer.rows {
            self.push(row.into())?;
        }
        Ok(Ending { completeness: answer.completeness, since: answer.since, until: answer.until })
    }
}

/// The ending of an answer that is made up of several.
fn ending_of(first: Ending, others: impl IntoIterator<Item = Ending>) -> Ending {
    others.into_iter().fold(first, |whole, part| Ending {
        since: earliest(whole.since, part.since),
        until: whole.until.max(part.until),
        completeness: merge(whole.completeness, part.completeness),
    })
}

fn earliest(one: Option<WallTime>, other: Option<WallTime>) -> Option<WallTime> {
    [one, other].into_iter().flatten().min()
}
