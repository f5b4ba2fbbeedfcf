//! One thing that happened: what `watch` shows live and `timeline` afterwards.

use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, ConnectionRow, DetectionRow, LossRow, ProcessRow, WallTime,
};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A process began a program, or ended (`ended` is set).
    Process(Box<ProcessRow>),
    /// A secret was touched.
    Access(Box<AccessRow>),
    /// A connection was made.
    Connection(Box<ConnectionRow>),
    /// Something else was refused, or would have been.
    Attempt(Box<AttemptRow>),
    /// Something was done to the enforcement, or by it.
    Audit(Box<AuditRow>),
    /// A rule has found something.
    Detection(Box<DetectionRow>),
    /// Events were lost.
    Loss(LossRow),
}

impl Event {
    /// When it happened: for what repeats the first time, for a process that has ended its end.
    pub fn time(&self) -> WallTime {
        match self {
            Self::Process(row) => row.ended.unwrap_or(row.began),
            Self::Access(row) => row.first,
            Self::Connection(row) => row.first,
            Self::Attempt(row) => row.at,
            Self::Audit(row) => row.at,
            Self::Detection(row) => row.at,
            Self::Loss(row) => row.since,
        }
    }

    /// Stable name of its workload, if known.
    pub fn workload(&self) -> Option<&str> {
        match self {
            Self::Process(row) => row.workload.as_deref(),
            Self::Access(row) => row.workload.as_deref(),
            Self::Connection(row) => row.workload.as_deref(),
            Self::Attempt(row) => row.workload.as_deref(),
            Self::Audit(row) => row.workload.as_deref(),
            Self::Detection(row) => row.workload.as_deref(),
            Self::Loss(row) => row.workload.as_deref(),
        }
    }
}

impl From<ProcessRow> for Event {
    fn from(row: ProcessRow) -> Self {
        Self::Process(Box::new(row))
    }
}

impl From<AccessRow> for Event {
    fn from(row: AccessRow) -> Self {
        Self::Access(Box::new(row))
    }
}

impl From<ConnectionRow> for Event {
    fn from(row: ConnectionRow) -> Self {
        Self::Connection(Box::new(row))
    }
}

impl From<AttemptRow> for Event {
    fn from(row: AttemptRow) -> Self {
        Self::Attempt(Box::new(row))
    }
}

impl From<AuditRow> for Event {
    fn from(row: AuditRow) -> Self {
        Self::Audit(Box::new(row))
    }
}

impl From<DetectionRow> for Event {
    fn from(row: DetectionRow) -> Self {
        Self::Detection(Box::new(row))
    }
}

impl From<LossRow> for Event {
    fn from(row: LossRow) -> Self {
        Self::Loss(row)
    }
}
