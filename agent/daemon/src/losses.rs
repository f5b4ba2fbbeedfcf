//! From the kernel's monotonic loss counters to loss records.

use std::collections::HashMap;

use cofferdam_model::{BootTime, Loss, LossReason, WorkloadId};
use cofferdam_sensor::abi::count::LossKey;
use cofferdam_sensor::abi::hook::{Hook, Reason};

/// What of the counters has been told already.
#[derive(Debug, Default)]
pub struct Losses {
    told: HashMap<(u64, u32, u32), u64>,
    since: Option<BootTime>,
    lost: HashMap<WorkloadId, u64>,
    over_budget: HashMap<WorkloadId, u64>,
}

impl Losses {
    /// Goes on where an agent before has stopped telling.
    pub fn resume(&mut self, told: &[(LossKey, u64)]) {
        self.told = told.iter().map(|(key, total)| ((key.workload, key.hook, key.reason), *total)).collect();
    }

    /// The losses since the last look.
    pub fn look(&mut self, totals: &[(LossKey, u64)], now: BootTime) -> Vec<Loss> {
        let since = self.since.replace(now).unwrap_or(now);
        let mut losses = Vec::new();
        for (key, total) in totals {
            let told = self.told.entry((key.workload, key.hook, key.reason)).or_default();
            let count = total.saturating_sub(*told);
            *told = *total;
            let Some((hook, reason)) = meaning(key) else { continue };
            if count == 0 {
                continue;
            }
            let workload = WorkloadId(key.workload);
            let sums = if reason.is_loss() { &mut self.lost } else { &mut self.over_budget };
            *sums.entry(workload).or_default() += count;
            losses.push(Loss {
                since,
                until: now,
                hook: hook.name().to_owned(),
                workload: workload.is_known().then_some(workload),
                reason,
                count,
            });
        }
        losses
    }

    /// What the agent itself has lost; nobody knows of which workload.
    pub fn of_the_agent(
        &mut self,
        part: &str,
        reason: LossReason,
        count: u64,
        since: BootTime,
        now: BootTime,
    ) -> Option<Loss> {
        if count == 0 {
            return None;
        }
        *self.lost.entry(WorkloadId::UNKNOWN).or_default() += count;
        Some(Loss { since, until: now, hook: part.to_owned(), workload: None, reason, count })
    }

    /// Forgets a workload that is gone.
    pub fn forget(&mut self, workload: WorkloadId) {
        self.told.retain(|(of, ..), _| *of != workload.0);
        self.lost.remove(&workload);
        self.over_budget.remove(&workload);
    }

    /// Events lost since the agent's start, by workload.
    pub fn lost(&self) -> &HashMap<WorkloadId, u64> {
        &self.lost
    }

    /// Events counted but not itemised since the agent's start, by workload.
    pub fn over_budget(&self) -> &HashMap<WorkloadId, u64> {
        &self.over_budget
    }
}

/// Which counters mean that something is missing. The others are told by `status`, and lose nothing: repeats that are
/// sent one by one, a process known by its cgroup alone, the environment of a process that has ended.
fn meaning(key: &LossKey) -> Option<(Hook, LossReason)> {
    let hook = Hook::from_number(u16::try_from(key.hook).ok()?)?;
    let reason = Reason::ALL.iter().find(|reason| **reason as u32 == key.reason)?;
    let reason = match reason {
        Reason::RingFull => LossReason::RingFull,
        Reason::OverBudget => LossReason::OverBudget,
        // Nobody can be named any more, or not even counted.
        Reason::ProcessTableFull | Reason::WorkloadTableFull | Reason::NotCounted => LossReason::TableFull,
        _ => return None,
    };
    Some((hook, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: LossKey = LossKey { workload: 7, hook: Hook::Open as u32, reason: Reason::RingFull as u32 };

    #[test]
    fn each_loss_is_told_once_and_the_differences_add_up_to_the_counter() {
        let mut losses = Losses::default();
        let times = [10, 20, 30].map(BootTime::from_nanos);
        assert_eq!(losses.look(&[(FULL, 5)], times[0])[0].count, 5);
        assert!(losses.look(&[(FULL, 5)], times[1]).is_empty());
        let told = losses.look(&[(FULL, 9)], times[2]);
        assert_eq!((told[0].count, told[0].since, told[0].until), (4, times[1], times[2]));
        assert_eq!(losses.lost()[&WorkloadId(7)], 9);
    }

    #[test]
    fn what_an_agent_before_has_told_is_not_told_again() {
        let mut losses = Losses::default();
        losses.resume(&[(FULL, 5)]);
        assert!(losses.look(&[(FULL, 5)], BootTime::from_nanos(1)).is_empty());
        assert_eq!(losses.look(&[(FULL, 6)], BootTime::from_nanos(2))[0].count, 1);
    }

    #[test]
    fn what_the_agent_itself_loses_is_told_and_summed_like_what_the_kernel_loses() {
        let mut losses = Losses::default();
        let times = [10, 20].map(BootTime::from_nanos);
        assert!(losses.of_the_agent("ring", LossReason::Malformed, 0, times[0], times[1]).is_none());
        let loss = losses.of_the_agent("ring", LossReason::Malformed, 2, times[0], times[1]).unwrap();
        assert_eq!((loss.hook.as_str(), loss.reason, loss.count), ("ring", LossReason::Malformed, 2));
        assert_eq!((loss.since, loss.until, loss.workload), (times[0], times[1], None));
        losses.of_the_agent("journal", LossReason::JournalFailed, 3, times[0], times[1]);
        assert_eq!(losses.lost()[&WorkloadId::UNKNOWN], 5);
    }

    #[test]
    fn what_exceeds_a_budget_is_told_apart() {
        let key = LossKey { reason: Reason::OverBudget as u32, ..FULL };
        let mut losses = Losses::default();
        assert_eq!(losses.look(&[(key, 3)], BootTime::from_nanos(1))[0].reason, LossReason::OverBudget);
        assert!(losses.lost().is_empty());
        assert_eq!(losses.over_budget()[&WorkloadId(7)], 3);
    }
}
