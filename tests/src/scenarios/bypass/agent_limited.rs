//! The workload sees the host's processes and has the kernel kill the agent.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-limited",
    Technique {
        what: "sets a limit of the agent (prlimit), from a container that sees the host's processes",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees limits")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let thief = attack.stage().container().with_processes_of_the_host().start()?;
    let pid = attack.stage().agent()?.pid()?.to_string();
    attack.by(&thief, Trace::Attempt(AttemptKind::Limit), None, || thief.does("limit", &[&pid]))
}
