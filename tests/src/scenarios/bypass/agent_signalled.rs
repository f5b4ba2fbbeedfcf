//! The workload sees the host's processes and stops the agent.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-signalled",
    Technique {
        what: "stops the agent by a signal, from a container that sees the host's processes",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees signals")),
        attack: play,
    },
);

const SIGSTOP: &str = "19";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let agent = attack.stage().agent()?;
    let thief = attack.stage().container().with_processes_of_the_host().start()?;
    let pid = agent.pid()?.to_string();
    attack.by(&thief, Trace::Attempt(AttemptKind::Signal), None, || {
        let reply = thief.does("signal", &[&pid, SIGSTOP]);
        agent.go_on()?;
        reply
    })
}
