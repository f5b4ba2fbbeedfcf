//! What the agent has counted: nothing may be lost, and nothing may go wrong unnoticed.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use cofferdam_api::{Status, WorkloadCount};

/// What happens on any host, and nothing is lost by it: as volumes come and go, a device number is handed out again; of
/// a program that touches more secrets than are remembered, the further ones stand in the journal alone; of very many
/// programs that have ended, the first are forgotten before their time; what a program touched that had ended before
/// anything was told of it is not remembered for its children. Where tracepoints can be preempted (Linux 7), the kernel
/// leaves their programs out now and then: told as a loss, and not ours to prevent.
const ORDINARY: &[&str] =
    &["stale_filesystem", "touch_forgotten", "forgotten_early", "touch_of_unknown", NOT_RUN];
const NOT_RUN: &str = "not_run";

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// By hook and reason.
    counters: BTreeMap<(String, String), u64>,
    /// Events lost, by workload.
    lost: BTreeMap<String, u64>,
    /// Events beyond a budget, by workload.
    over_budget: BTreeMap<String, u64>,
    /// Events sent, by hook.
    sent: BTreeMap<String, u64>,
    journal_errors: Vec<String>,
}

impl From<&Status> for Ledger {
    fn from(status: &Status) -> Self {
        let mut lost = by_workload(&status.losses);
        // Of which workload they are, nobody knows.
        let left_out = status.counters.iter().filter(|it| it.reason == NOT_RUN).map(|it| it.count).sum();
        if let Some(unnamed) = lost.get_mut("") {
            *unnamed = unnamed.saturating_sub(left_out);
        }
        Self {
            counters: status.counters.iter().map(|c| ((c.hook.clone(), c.reason.clone()), c.count)).collect(),
            lost,
            over_budget: by_workload(&status.over_budget),
            sent: status.events.iter().map(|sent| (sent.hook.clone(), sent.events)).collect(),
            journal_errors: status.journal.errors.clone(),
        }
    }
}

/// Those without a name have one sum.
fn by_workload(counts: &[WorkloadCount]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for count in counts {
        *sums.entry(count.workload.clone().unwrap_or_default()).or_default() += count.count;
    }
    sums
}

impl Ledger {
    /// Whether the journal lacks something that has happened, at this moment.
    pub fn is_behind(&self) -> bool {
        !self.journal_errors.is_empty()
    }

    /// Events lost, of all workloads.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Events beyond the budget of the workloads whose name contains this.
    pub fn over_budget_of(&self, name: &str) -> u64 {
        self.over_budget.iter().filter(|(workload, _)| workload.contains(name)).map(|(_, count)| count).sum()
    }

    /// Events that this hook has sent; `None` for a hook that the agent does not know.
    pub fn sent_by(&self, hook: &str) -> Option<u64> {
        self.sent.get(hook).copied()
    }

    /// So often this reason was counted at this hook.
    pub fn counted_at(&self, hook: &str, reason: &str) -> u64 {
        self.counters.get(&(hook.to_owned(), reason.to_owned())).copied().unwrap_or_default()
    }

    /// So often this reason was counted, at all hooks.
    pub fn counted(&self, reason: &str) -> u64 {
        self.counters.iter().filter(|((_, known), _)| known == reason).map(|(_, count)| count).sum()
    }

    /// Compares with an earlier moment: no counter but those of the `expected` reasons may have moved.
    ///
    /// # Errors
    /// If another has.
    pub fn is_clean_since(&self, earlier: &Self, expected: &[&str]) -> Result<()> {
        let mut moved = Vec::new();
        for ((hook, reason), count) in &self.counters {
            let before = earlier.counters.get(&(hook.clone(), reason.clone())).copied().unwrap_or_default();
            let of_these = |reasons: &[&str]| reasons.contains(&reason.as_str());
            if *count != before && !of_these(expected) && !of_these(ORDINARY) {
                moved.push(format!("{hook}/{reason} went from {before} to {count}"));
            }
        }
        let beyond = |(name, count): (&String, &u64)| {
            let more = count - earlier.over_budget.get(name).copied().unwrap_or_default().min(*count);
            (more > 0).then(|| format!("{more} of `{name}` beyond its budget"))
        };
        if moved.iter().any(|moved| moved.contains("over_budget")) {
            moved.extend(self.over_budget.iter().filter_map(beyond));
        }
        for (workload, count) in &self.lost {
            let before = earlier.lost.get(workload).copied().unwrap_or_default();
            if *count != before && !expected.contains(&"lost") {
                moved.push(format!("{} events of `{workload}` were lost", count - before));
            }
        }
        moved.extend(self.journal_errors.iter().map(|error| format!("the journal says: {error}")));
        if moved.is_empty() { Ok(()) } else { bail!("{}", moved.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(reason: &str, count: u64, lost: u64) -> Ledger {
        Ledger {
            counters: [(("open".to_owned(), reason.to_owned()), count)].into(),
            lost: [("container:a".to_owned(), lost)].into(),
            ..Ledger::default()
        }
    }

    #[test]
    fn a_counter_that_moved_is_named_unless_it_was_expected() {
        let (before, after) = (ledger("ring_full", 3, 0), ledger("ring_full", 5, 0));
        let told = after.is_clean_since(&before, &[]).unwrap_err().to_string();
        assert_eq!(told, "open/ring_full went from 3 to 5");
        assert!(after.is_clean_since(&before, &["ring_full"]).is_ok());
        assert!(before.is_clean_since(&before, &[]).is_ok());
    }

    #[test]
    fn workloads_without_a_name_add_up() {
        let of =
            |workload: Option<&str>, count| WorkloadCount { workload: workload.map(str::to_owned), count };
        let losses = [of(None, 3), of(Some("a"), 1), of(None, 4)];
        let ledger = Ledger { lost: by_workload(&losses), ..Ledger::default() };
        assert_eq!(ledger.lost(), 8);
    }

    #[test]
    fn a_loss_is_never_clean() {
        let (before, after) = (ledger("ring_full", 3, 1), ledger("ring_full", 3, 2));
        assert!(after.is_clean_since(&before, &["ring_full"]).is_err());
        assert_eq!(after.lost(), 2);
    }
}
