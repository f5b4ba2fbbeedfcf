//! A rule as it is understood.

use std::time::Duration;

use cofferdam_model::{Response, Severity};
use cofferdam_policy::yaml::Place;

use crate::condition::Condition;
use crate::facts::Kind;

/// A detection rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Where that stands in its file.
    pub at: Place,
    /// What has happened, in a sentence.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK techniques.
    pub techniques: Vec<String>,
    /// What happens first.
    pub first: Step,
    /// What it takes besides.
    pub more: More,
    /// Whose events belong together.
    pub by: By,
    /// At most one detection for the same in this time.
    pub every: Duration,
    /// What is to be done.
    pub response: Response,
}

/// An event of a kind of which a condition holds.
#[derive(Debug, Clone)]
pub struct Step {
    /// The kind.
    pub on: Kind,
    /// The condition.
    pub when: Condition,
}

/// What it takes besides the first event.
#[derive(Debug, Clone)]
pub enum More {
    /// Nothing.
    Nothing,
    /// These, in this order, each so long after the one before at most.
    Then(Vec<(Step, Duration)>),
    /// More of the same.
    Count {
        /// What is counted.
        of: Counted,
        /// How many it takes, the first included.
        at_least: u32,
        /// In which time.
        within: Duration,
    },
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Every event.
    Events,
    /// Different secrets.
    Secrets,
}

/// Whose events belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// One process.
    Process,
    /// A process that came into the workload, and all that came of it.
    Tree,
    /// The workload.
    Workload,
}
