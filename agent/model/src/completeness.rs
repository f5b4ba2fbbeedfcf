//! How complete an answer is. Every answer ends with this.

use serde::{Deserialize, Serialize};

use crate::WallTime;

/// How complete an answer is, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// Nothing that was asked for is known to be missing.
    pub complete: bool,
    /// Events lost in the range that was asked for.
    pub lost: u64,
    /// Events counted but not itemised because a workload exceeded its budget.
    pub over_budget: u64,
    /// Rows whose workload could not be named.
    pub unknown_workloads: u64,
    /// From when on the sources have seen everything, without a gap until now.
    pub seen_since: Option<WallTime>,
    /// What the answer was made from: hooks and journal segments, each with its range.
    pub sources: Vec<String>,
    /// Each reason why `complete` is false, as a sentence.
    pub reasons: Vec<String>,
}
