//! What tells of a technique: rows that were not there before, or have grown.

use std::collections::BTreeMap;

use anyhow::Result;
use cofferdam_model::{
    AccessKind, AccessRow, AttemptKind, AttemptRow, BinaryOrigin, ConnectionRow, DeniedBy, EnforcedBy,
    ProcessRow, Verdict,
};

use super::Answer;
use crate::bench::answers::Answers;

/// What would tell of a technique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// An access, in this way.
    Access(AccessKind),
    /// A connection to this port.
    Connection(u16),
    /// An attempt.
    Attempt(AttemptKind),
    /// A program of this origin: an attempt to execute it, or its execution.
    Program(BinaryOrigin),
}

/// What was told of a technique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Where it was told.
    pub answer: Answer,
    /// Our decision.
    pub verdict: Verdict,
    /// Who refused.
    pub denied_by: Option<DeniedBy>,
    /// What enforces here.
    pub enforced_by: EnforcedBy,
    /// Deciding policy and rule.
    pub rule: Option<(String, String)>,
    /// It passed only by an exception to that rule.
    pub exception: bool,
    /// How often, by now.
    pub count: u64,
    /// Id of the event.
    pub event: String,
    /// Secrets that the process had touched before.
    pub tainted_by: Vec<String>,
}

impl Evidence {
    /// Whether it tells of an attack. An access that was let through may be the reader's own; a connection that was
    /// tells what its process had touched before.
    pub fn tells(&self) -> bool {
        self.verdict != Verdict::Allowed || !self.tainted_by.is_empty() || self.answer == Answer::Timeline
    }
}

/// Knows what was there before.
#[derive(Debug)]
pub struct Witness {
    container: String,
    trace: Trace,
    before: BTreeMap<String, u64>,
}

impl Witness {
    /// Looks at what there is.
    ///
    /// # Errors
    /// If the agent does not answer.
    pub fn new(answers: &Answers<'_>, container: &str, trace: Trace) -> Result<Self> {
        let mut witness = Self { container: container.to_owned(), trace, before: BTreeMap::new() };
        let there = witness.all(answers)?.into_iter();
        witness.before = there.map(|it| (it.event, it.count)).collect();
        Ok(witness)
    }

    /// What was told since; what was refused or would be comes first.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn told(&self, answers: &Answers<'_>) -> Result<Vec<Evidence>> {
        let is_new = |it: &Evidence| self.before.get(&it.event).is_none_or(|was| *was < it.count);
        let mut told: Vec<Evidence> = self.all(answers)?.into_iter().filter(is_new).collect();
        told.sort_by_key(|evidence| match evidence.verdict {
            Verdict::Denied => 0,
            Verdict::WouldDeny => 1,
            Verdict::Allowed => 2,
        });
        Ok(told)
    }

    fn all(&self, answers: &Answers<'_>) -> Result<Vec<Evidence>> {
        Ok(match self.trace {
            Trace::Access(how) => {
                let rows = answers.accesses_of(&self.container)?;
                rows.into_iter().filter(|row| row.how == how).map(Evidence::from).collect()
            }
            Trace::Connection(port) => {
                let rows = answers.connections_of(&self.container)?;
                rows.into_iter().filter(|row| row.port == port).map(Evidence::from).collect()
            }
            Trace::Attempt(what) => {
                let rows = answers.attempts_of(&self.container)?;
                rows.into_iter().filter(|row| row.what == what).map(Evidence::from).collect()
            }
            Trace::Program(origin) => {
                let tried = answers.attempts_of(&self.container)?.into_iter();
                let tried = tried.filter(|row| row.object_origin == Some(origin)).map(Evidence::from);
                let ran = answers.timeline_of(&self.container)?.processes.into_iter();
                tried.chain(ran.filter(|row| row.binary_origin == origin).map(Evidence::from)).collect()
            }
        })
    }
}

/// Rows of all kinds tell of a decision in the same words.
macro_rules! evidence {
    ($row:ident, $answer:expr, $count:expr, $tainted_by:expr) => {
        Self {
            answer: $answer,
            verdict: $row.verdict,
            denied_by: $row.denied_by,
            enforced_by: $row.enforced_by,
            rule: $row.policy.zip($row.rule),
            exception: $row.exception,
            count: $count,
            event: $row.id,
            tainted_by: $tainted_by,
        }
    };
}

impl From<AccessRow> for Evidence {
    fn from(row: AccessRow) -> Self {
        evidence!(row, Answer::Accesses, row.count, Vec::new())
    }
}

impl From<ConnectionRow> for Evidence {
    fn from(row: ConnectionRow) -> Self {
        evidence!(row, Answer::Connections, row.count, row.tainted_by)
    }
}

impl From<AttemptRow> for Evidence {
    fn from(row: AttemptRow) -> Self {
        evidence!(row, Answer::Attempts, 1, Vec::new())
    }
}

/// That it ran is told, whatever was decided.
impl From<ProcessRow> for Evidence {
    fn from(row: ProcessRow) -> Self {
        Self {
            answer: Answer::Timeline,
            verdict: Verdict::Allowed,
            denied_by: None,
            enforced_by: EnforcedBy::ObserveOnly,
            rule: None,
            exception: false,
            count: 1,
            event: row.id,
            tainted_by: Vec::new(),
        }
    }
}
