//! What rules find.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use cofferdam_api::Timeline;
use cofferdam_model::DetectionRow;

use super::theatre::LEARNING;
use super::{Stage, listed};
use crate::bench::wait::Look;
use crate::bench::{Container, until};

/// The agent's clock and ours read the same, but a workload is first seen a little after it is there.
const MARGIN: Duration = Duration::from_millis(500);

impl Stage<'_> {
    /// Waits until what the workloads that are there have done is their habit, and what they have not is none.
    pub fn habits_become_known(&self) {
        sleep(LEARNING + MARGIN);
    }

    /// Rules find this of a container, each as often as it is named, and nothing else; and whatever a finding rests on
    /// can be asked for. Oldest first.
    ///
    /// # Errors
    /// If it is otherwise.
    pub fn finds(&self, container: &Container, rules: &[&str]) -> Result<Vec<DetectionRow>> {
        let agent = self.agent()?;
        until("what rules find", || {
            let rows = agent.asked(|answers| answers.detections_of(container.id()))?;
            let found = names(&rows);
            let missing = rules.iter().find(|rule| !found.contains(*rule));
            Ok(missing.map_or(Look::Found(()), |rule| Look::NotYet(format!("{rule} is not among {found:?}"))))
        })?;
        self.everything_has_arrived(container)?;
        let rows = agent.asked(|answers| answers.detections_of(container.id()))?;
        let mut wanted = rules.to_vec();
        wanted.sort_unstable();
        ensure!(names(&rows) == wanted, "rules must find {wanted:?}; they have found {}", listed(&rows));
        let known = ids_in(&agent.asked(|answers| answers.timeline_of(container.id()))?);
        for row in &rows {
            let unknown = row.evidence.iter().find(|id| !known.contains(*id));
            ensure!(unknown.is_none(), "nothing has the id {unknown:?} that {} rests on", row.id);
            ensure!(!row.evidence.is_empty(), "{} rests on nothing", row.id);
        }
        Ok(rows)
    }
}

fn names(rows: &[DetectionRow]) -> Vec<&str> {
    let mut names: Vec<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
    names.sort_unstable();
    names
}

fn ids_in(timeline: &Timeline) -> BTreeSet<String> {
    let accesses = timeline.accesses.iter().map(|row| &row.id);
    let connections = timeline.connections.iter().map(|row| &row.id);
    let attempts = timeline.attempts.iter().map(|row| &row.id);
    let processes = timeline.processes.iter().map(|row| &row.id);
    accesses.chain(connections).chain(attempts).chain(processes).cloned().collect()
}
