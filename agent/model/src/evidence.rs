//! What a journal holds of a range, in numbers: millions of rows say few different things, and a replay decides on each
//! of these once.

use std::net::IpAddr;

use crate::{AccessKind, AccessMode, Executable, Protocol, SecretRef, TargetRelation, WallTime, Workload};

/// What rows of evidence name by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Workloads that have a name.
    pub workloads: Vec<Workload>,
    /// Programs, each of one workload.
    pub programs: Vec<Program>,
    /// Secrets.
    pub secrets: Vec<KnownSecret>,
}

/// A program as rules see it, whichever processes ran it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// Of which workload, by number; `None`: of one without a name.
    pub workload: Option<u32>,
    /// What it runs.
    pub executable: Executable,
    /// As in [`crate::Process`].
    pub exec_session: Option<bool>,
    /// As in [`crate::Process`].
    pub runtime: bool,
}

/// A secret and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSecret {
    /// The secret.
    pub of: SecretRef,
    /// Path on the host, if it was found.
    pub path: Option<String>,
}

/// When something happened, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first time.
    pub first: WallTime,
    /// The latest time.
    pub last: WallTime,
    /// How often.
    pub count: u64,
    /// Of these, how many are known to have happened at `last`, or at a time that no moment of interest parts from it.
    pub latest: u64,
}

impl Span {
    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            count: self.count.saturating_add(other.count),
            latest: self.latest.saturating_add(other.latest),
        }
    }
}

/// Accesses that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAccess {
    /// Who read; `None`: a workload without a name.
    pub workload: Option<u32>,
    /// Its program; `None`: not known, or over the workload's budget.
    pub program: Option<u32>,
    /// The secret.
    pub secret: u32,
    /// How.
    pub how: AccessKind,
    /// What was asked for.
    pub mode: AccessMode,
    /// Whose environment or memory, where that is known.
    pub target: Option<SeenTarget>,
    /// It was refused.
    pub denied: bool,
    /// All of them happened before the range.
    pub earlier: bool,
    /// When.
    pub span: Span,
}

/// Whose environment or memory was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeenTarget {
    /// Its relation to the reader.
    pub relation: TargetRelation,
    /// Its workload; `None`: one without a name.
    pub workload: Option<u32>,
}

/// Connections that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenConnection {
    /// Who connected; `None`: a workload without a name.
    pub workload: Option<u32>,
    /// Its program; `None`: not known, or over the workload's budget.
    pub program: Option<u32>,
    /// Where to; `None`: not known.
    pub destination: Option<IpAddr>,
    /// Port.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// What the process had touched before, by its number in the answer.
    pub taint: Option<u32>,
    /// It was refused.
    pub denied: bool,
    /// When.
    pub span: Span,
}

/// Programs that were executed and say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenExecution {
    /// The program, and by it the workload.
    pub program: u32,
    /// Who executed it.
    pub from: Executor,
    /// When.
    pub span: Span,
}

/// Who executed a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Executor {
    /// A process of the same workload.
    Within,
    /// One that came in from outside: a container's start, or an exec session's.
    Outside,
    /// Not known.
    Unknown,
}
