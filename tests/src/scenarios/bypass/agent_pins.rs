//! The workload sees the agent's pins and removes one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cofferdam_model::AttemptKind;

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
    // An agent that is not started again needs no pin.
    let pins = attack.stage().agent()?.pins();
    let pin = pin(&pins)?;
    let thief = attack.stage().container().with_writable(&pins, "/pins").start()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::AgentFile), None, || thief.does("unlink", &[&pin]))
}

/// Where a container that has the pins at `/pins` has one that every version makes.
pub(super) fn pin(pins: &Path) -> Result<String> {
    let version = fs::read_dir(pins).context("reading the pins")?.flatten().next();
    let version = version.context("nothing is pinned")?.file_name();
    Ok(format!("/pins/{}/maps/CONTROL", version.to_string_lossy()))
}
