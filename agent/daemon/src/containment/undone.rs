//! What was asked for and could not be put into force everywhere, as who asked is told.

use std::collections::BTreeSet;

use cofferdam_model::{Workload, WorkloadId};

use super::enforcer::Failure;
use crate::agent::Agent;

/// Workloads that are named where some fail.
const NAMED_MAX: usize = 3;

/// Who had failed before something was asked for.
pub struct Before(BTreeSet<WorkloadId>);

impl Before {
    /// Now.
    pub fn now(agent: &Agent) -> Self {
        Self(agent.enforcer.failures.keys().copied().collect())
    }

    /// Whether what was `done` is in force for all that it concerns, and for whom else it may have changed anything.
    ///
    /// # Errors
    /// Where it is not, and why.
    pub fn in_force(
        &self,
        agent: &Agent,
        done: &str,
        concerns: impl Fn(&Workload) -> bool,
    ) -> Result<(), String> {
        let is_meant = |id: &WorkloadId| agent.pipeline.state.workloads.get(*id).is_some_and(&concerns);
        let failures = agent.enforcer.failures.iter();
        let undone: Vec<&Failure> = failures
            .filter(|(id, _)| !self.0.contains(id) || is_meant(id))
            .map(|(_, failure)| failure)
            .collect();
        if undone.is_empty() { Ok(()) } else { Err(told(done, &undone)) }
    }
}

fn told(done: &str, undone: &[&Failure]) -> String {
    let named: Vec<String> =
        undone.iter().take(NAMED_MAX).map(|it| format!("{}: {}", it.workload, it.error)).collect();
    let more = if undone.len() > NAMED_MAX { "; ..." } else { "" };
    format!(
        "{done}, but is not in force on {} of the workloads: they have what they had before ({}{more}). It is tried \
         again every second; `cofferdam status --policy` tells what is not in force",
        undone.len(),
        named.join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_named_with_their_reasons_and_all_are_counted() {
        let failure =
            |number| Failure { workload: format!("pod:p/{number}"), error: "SECRETS is full".to_owned() };
        let all: Vec<Failure> = (0..5).map(failure).collect();
        let text = told("the policy is kept", &all.iter().collect::<Vec<_>>());
        assert!(text.starts_with("the policy is kept, but is not in force on 5 of the workloads"), "{text}");
        assert!(text.contains("pod:p/0: SECRETS is full; pod:p/1") && text.contains("; ..."), "{text}");
        assert!(!text.contains("pod:p/3"), "{text}");
    }
}
