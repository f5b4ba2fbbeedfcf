//! Questions and answers: the same over the agent's socket and on a copied journal.

use serde::{Deserialize, Serialize};

use crate::{Completeness, Severity, Verdict, WallTime};

/// What to look for. Every field narrows; text fields are globs (`*`, `?`), matched case-sensitively.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Stable workload name.
    pub workload: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name, or a container id or its beginning (at least 6 characters).
    pub container: Option<String>,
    /// Secret, by display name, with or without `:key`.
    pub secret: Option<String>,
    /// Binary path.
    pub binary: Option<String>,
    /// Verdict.
    pub verdict: Option<Verdict>,
    /// Of detections, those that are at least this bad.
    pub severity: Option<Severity>,
    /// Of detections, those of rules with such a name.
    pub rule: Option<String>,
    /// What happened at or after this.
    pub since: Option<WallTime>,
    /// What happened before this.
    pub until: Option<WallTime>,
    /// At most this many rows, the latest ones; `None` for all.
    pub limit: Option<u64>,
}

impl Filter {
    /// So many characters of a container's id are enough to name it.
    pub const ID_PREFIX: usize = 6;
}

/// Rows and how complete they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer<Row> {
    /// The rows, oldest first.
    pub rows: Vec<Row>,
    /// Start of the range that was searched.
    pub since: Option<WallTime>,
    /// End of the range that was searched.
    pub until: Option<WallTime>,
    /// How complete they are.
    pub completeness: Completeness,
}
