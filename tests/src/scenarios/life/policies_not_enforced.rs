//! This version enforces no policy: whoever has put one where they lie is told so, and nobody else.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::bench::AgentOptions;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("life/policies-not-enforced", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let folder = stage.shared_folder("policies")?;
    let complaint = || -> Result<Option<String>> {
        let options = AgentOptions { policies: Some(folder.clone()), ..AgentOptions::default() };
        let agent = stage.own_agent(&options)?;
        let log = fs::read_to_string(agent.log()).context("reading the agent's log")?;
        Ok(log.lines().find(|line| line.contains("policies")).map(str::to_owned))
    };

    let said = complaint()?;
    ensure!(said.is_none(), "of an empty folder it says {said:?}");

    fs::write(folder.join("payments.yaml"), "deny: everything\n").context("writing a policy")?;
    let said = complaint()?.context("it says nothing of a policy that it does not enforce")?;
    let place = folder.display().to_string();
    for wanted in ["ERROR", "none is enforced", &place] {
        ensure!(said.contains(wanted), "`{wanted}` is missing in {said}");
    }
    ensure!(!said.contains("everything"), "it tells what stands in a policy: {said}");
    Ok(())
}
