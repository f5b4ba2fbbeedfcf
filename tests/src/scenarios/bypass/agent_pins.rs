//! The workload sees the agent's pins and removes one.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_model::AttemptKind;

use crate::bench::AgentOptions;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-pins",
    Technique {
        what: "removes a pin of the agent, from a container that has them mounted",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees who removes a file")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    // Not that of the others: without a hook the pin is gone.
    let agent = attack.stage().own_agent(&AgentOptions::default())?;
    let stage = attack.stage().watched_by(&agent);
    let version = fs::read_dir(agent.pins()).context("reading the pins")?.flatten().next();
    let version = version.context("nothing is pinned")?.file_name();
    let pin = format!("/pins/{}/maps/CONTROL", version.to_string_lossy());
    let thief = stage.container().with_writable(&agent.pins(), "/pins").start()?;
    let trace = Trace::Attempt(AttemptKind::AgentFile);
    attack.told_by(&stage).by(&thief, trace, None, || thief.does("unlink", &[&pin]))
}
