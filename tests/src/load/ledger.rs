//! What was made against what was told: every access must be in a row, or be counted as lost.

use std::time::Duration;

use anyhow::Result;
use cofferdam_model::AccessRow;
use cofferdam_tests::bench::Agent;
use cofferdam_tests::bench::answers::Answers;
use cofferdam_tests::bench::wait::{Look, until_within};

use crate::crowd::Container;
use crate::figures::Figures;

/// How long the agent may take to have told everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The secrets of experiments; the agent is configured with this name.
pub(crate) const SECRET: &str = "bench/many";

/// What exceeds a budget, of more secrets than are told apart.
const SEVERAL: &str = "several";

/// The hook of these accesses, and why an event is lost, as `cofferdam status` calls them.
const OPEN: &str = "open";
const RING_FULL: &str = "ring_full";

/// What the agent tells of some containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Rows with a process.
    rows: u64,
    /// Accesses in them.
    itemised: u64,
    /// Accesses beyond the budget, counted for the workload as a whole.
    over_budget: u64,
    /// Lost, by the agent's own count: of no access but these.
    lost: u64,
    /// Events of other hooks lost meanwhile.
    lost_others: u64,
}

impl Ledger {
    /// Asks the journal, container by container: the agent gives fewer rows at a time than a container may have here.
    fn read(agent: &Agent, containers: &[Container]) -> Result<Self> {
        let mut ledger = Self::default();
        let state = agent.state_dir();
        for container in containers {
            let words = ["accesses", "--container", &container.id];
            let rows = Answers::of_journal(&state).answer::<AccessRow>(&words)?.rows;
            for row in rows.iter().filter(|row| [SECRET, SEVERAL].contains(&row.secret.as_str())) {
                if row.pid.is_some() {
                    ledger.rows += 1;
                    ledger.itemised += row.count;
                } else {
                    ledger.over_budget += row.count;
                }
            }
        }
        let status = agent.asked(|answers| answers.status())?;
        for counter in status.counters.iter().filter(|counter| counter.reason == RING_FULL) {
            let lost = if counter.hook == OPEN { &mut ledger.lost } else { &mut ledger.lost_others };
            *lost += counter.count;
        }
        Ok(ledger)
    }

    fn accounted(self) -> u64 {
        self.itemised + self.over_budget + self.lost
    }

    /// Asks until everything that was made is accounted for, or that does not come.
    pub(crate) fn settled(agent: &Agent, containers: &[Container], made: u64) -> Result<Self> {
        let mut last = Self::default();
        let waited = until_within(PATIENCE, "every access to be accounted for", || {
            last = Self::read(agent, containers)?;
            Ok(if last.accounted() >= made { Look::Found(()) } else { Look::NotYet(format!("{last:?}")) })
        });
        if let Err(error) = waited {
            println!("load: {error:#}");
        }
        Ok(last)
    }

    /// Tells the figures; `name` begins their names.
    pub(crate) fn tell(self, figures: Figures, name: &str, made: u64) -> Result<()> {
        let tell = |what: &str, value: f64| figures.tell(&format!("{name}{what}"), "accesses", value);
        tell("made", made as f64)?;
        tell("itemised", self.itemised as f64)?;
        tell("over_budget", self.over_budget as f64)?;
        tell("lost", self.lost as f64)?;
        tell("lost_others", self.lost_others as f64)?;
        tell("unaccounted", made as f64 - self.accounted() as f64)?;
        figures.tell(&format!("{name}rows"), "rows", self.rows as f64)
    }
}
