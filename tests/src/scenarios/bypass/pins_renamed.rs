//! The workload sees the agent's pins and gives one another name.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use super::agent_pins::pin;
use crate::bench::AgentOptions;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/pins-renamed",
    Technique {
        what: "renames a pin of the agent, from a container that has them mounted",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees who renames a file")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    // An agent of its own: where nothing keeps the thief from it, its pins are damaged.
    let agent = attack.stage().own_agent(&AgentOptions::default())?;
    let stage = attack.stage().watched_by(&agent);
    let attack = attack.told_by(&stage);
    let pin = pin(&agent.pins())?;
    let thief = stage.container().with_writable(&agent.pins(), "/pins").start()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::AgentFile), None, || {
        thief.does("rename", &[&pin, &format!("{pin}-elsewhere")])
    })
}
