//! `cofferdam unload` ends the agent in a way that keeps a service manager from starting it again at once.

use anyhow::{Result, ensure};

use crate::bench::AgentOptions;
use crate::bench::unit::UNIT;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("life/unload-asked", PerTier::SEEN, play).of_user_space();

/// How the agent ends then.
const UNLOADED: i32 = 4;

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let done = agent.asked(|answers| answers.ending(&["unload", "--yes"]))?;
    ensure!(done.code == Some(0), "unloading ended with {:?}: {}", done.code, done.complaint);
    let status = agent.has_ended()?;
    ensure!(status.code() == Some(UNLOADED), "the agent ended with {status}");
    let prevented = UNIT.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus="));
    let is_kept = prevented.is_some_and(|codes| codes.split(' ').any(|code| code == UNLOADED.to_string()));
    ensure!(is_kept, "its unit would start it again: {prevented:?}");
    agent.start_again()
}
