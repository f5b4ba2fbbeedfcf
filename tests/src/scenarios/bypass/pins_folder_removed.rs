//! The workload sees the agent's pins and removes a folder of them.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_model::AttemptKind;

use crate::bench::AgentOptions;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/pins-folder-removed",
    Technique {
        what: "removes a folder among the agent's pins, from a container that has them mounted",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees who removes a folder")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    // An agent of its own: where nothing keeps the thief from it, its pins are damaged.
    let agent = attack.stage().own_agent(&AgentOptions::default())?;
    let stage = attack.stage().watched_by(&agent);
    let attack = attack.told_by(&stage);
    // Only one that is empty can be removed.
    let folder = agent.pins().join("empty");
    fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
    let thief = stage.container().with_writable(&agent.pins(), "/pins").start()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::AgentFile), None, || thief.does("rmdir", &["/pins/empty"]))
}
