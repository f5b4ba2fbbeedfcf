//! Shapes of answers that the model does not have: the ending of a streamed answer, and the timeline.

use cofferdam_model::{
    AccessRow, Answer, AttemptRow, AuditRow, Completeness, ConnectionRow, DetectionRow, LossRow, ProcessRow,
    WallTime,
};
use serde::{Deserialize, Serialize};

use crate::Event;

/// The last word of an answer: everything of an [`Answer`] but its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// How complete the rows are.
    pub completeness: Completeness,
    /// Start of the range that was searched.
    pub since: Option<WallTime>,
    /// End of the range that was searched.
    pub until: Option<WallTime>,
}

impl Ending {
    /// Together with the rows it follows.
    pub fn after<Row>(self, rows: Vec<Row>) -> Answer<Row> {
        Answer { rows, since: self.since, until: self.until, completeness: self.completeness }
    }
}

/// The completeness of an answer that was put together from two, each about its own kind of row.
pub(crate) fn merge(one: Completeness, other: Completeness) -> Completeness {
    Completeness {
        complete: one.complete && other.complete,
        // Both have counted the same losses.
        lost: one.lost.max(other.lost),
        over_budget: one.over_budget.max(other.over_budget),
        unknown_workloads: one.unknown_workloads + other.unknown_workloads,
        seen_since: one.seen_since.max(other.seen_since),
        sources: union(one.sources, other.sources),
        reasons: union(one.reasons, other.reasons),
    }
}

fn union(mut all: Vec<String>, more: Vec<String>) -> Vec<String> {
    for text in more {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

/// What the workloads that were asked for did, as it is written with `-o json`; each list oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The programs that ran: the nodes of the tree.
    pub processes: Vec<ProcessRow>,
    /// Their accesses.
    pub accesses: Vec<AccessRow>,
    /// Their connections.
    pub connections: Vec<ConnectionRow>,
    /// What else a rule decided.
    pub attempts: Vec<AttemptRow>,
    /// What enforcement did that concerned them.
    pub audits: Vec<AuditRow>,
    /// What rules have found.
    pub detections: Vec<DetectionRow>,
    /// What was lost meanwhile.
    pub losses: Vec<LossRow>,
    /// Start of the range that was searched.
    pub since: Option<WallTime>,
    /// End of the range that was searched.
    pub until: Option<WallTime>,
    /// How complete the lists are.
    pub completeness: Completeness,
}

impl Timeline {
    /// Sorts events into their lists.
    pub fn new(events: impl IntoIterator<Item = Event>, ending: Ending) -> Self {
        let mut timeline = Self {
            processes: Vec::new(),
            accesses: Vec::new(),
            connections: Vec::new(),
            attempts: Vec::new(),
            audits: Vec::new(),
            detections: Vec::new(),
            losses: Vec::new(),
            since: ending.since,
            until: ending.until,
            completeness: ending.completeness,
        };
        for event in events {
            match event {
                Event::Process(row) => timeline.processes.push(*row),
                Event::Access(row) => timeline.accesses.push(*row),
                Event::Connection(row) => timeline.connections.push(*row),
                Event::Attempt(row) => timeline.attempts.push(*row),
                Event::Audit(row) => timeline.audits.push(*row),
                Event::Detection(row) => timeline.detections.push(*row),
                Event::Loss(row) => timeline.losses.push(row),
            }
        }
        timeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_from_one_part_is_missing_from_the_whole() {
        let part = |complete, lost, unknown_workloads, reasons: &[&str]| Completeness {
            complete,
            lost,
            over_budget: lost,
            unknown_workloads,
            seen_since: None,
            sources: vec!["journal".into()],
            reasons: reasons.iter().map(|&reason| reason.into()).collect(),
        };
        let parts = [part(true, 0, 0, &[]), part(false, 2, 1, &["a", "b"]), part(false, 2, 2, &["b", "c"])];
        let all = parts.into_iter().reduce(merge).unwrap();
        assert_eq!(all, part(false, 2, 3, &["a", "b", "c"]));
    }
}
