//! Policies lie in a folder: what is put there comes into force, what cannot be understood is refused with its place and
//! lifts nothing, and only what is removed is lifted.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_api::PolicyStatus;

use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, until};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("life/policy-folder", PerTier::SEEN, play);

const UNDERSTOOD: &str = "apiVersion: cofferdam.dev/v1alpha1\n\
    kind: ContainmentPolicy\n\
    metadata: { name: payments }\n\
    spec:\n\
    \x20 selector: { cgroup: /nothing-runs-here }\n\
    \x20 memory: { id: mem, attach: deny }\n";

fn play(stage: &Stage<'_>) -> Result<()> {
    let folder = stage.shared_folder("policies")?;
    let file = folder.join("payments.yaml");
    let options = AgentOptions { policies: Some(folder.clone()), ..AgentOptions::default() };
    let agent = stage.own_agent(&options)?;

    fs::write(&file, UNDERSTOOD).context("writing a policy")?;
    shows(&agent, "the policy to be in force", |status| is_in_force(status) && status.refused.is_empty())?;

    let broken = UNDERSTOOD.replace("attach: deny", "atach: deny");
    fs::write(&file, broken).context("breaking the policy")?;
    let is_told = |status: &PolicyStatus| {
        status.refused.iter().any(|refused| refused.message.contains("payments.yaml:6:"))
    };
    shows(&agent, "the broken file to be refused with its place", is_told)?;
    shows(&agent, "what it said before to be in force still", is_in_force)?;

    fs::write(&file, UNDERSTOOD).context("mending the policy")?;
    shows(&agent, "the mended file to be taken", |status| is_in_force(status) && status.refused.is_empty())?;

    fs::remove_file(&file).context("removing the policy")?;
    shows(&agent, "the policy to be lifted", |status| !is_in_force(status))
}

fn is_in_force(status: &PolicyStatus) -> bool {
    status.rules.iter().any(|rule| rule.policy == "payments" && rule.rule == "mem")
}

fn shows(agent: &Agent, what: &str, shown: impl Fn(&PolicyStatus) -> bool) -> Result<()> {
    until(what, || {
        let status = agent.asked(|answers| answers.policy_status())?;
        let told = format!("there is {status:?}");
        Ok(if shown(&status) { Look::Found(()) } else { Look::NotYet(told) })
    })
}
