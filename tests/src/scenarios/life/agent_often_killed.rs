//! The agent is killed and started again, often: the kernel's table of what is its own does not grow with each start.

use anyhow::{Context, Result, ensure};

use crate::bench::{Agent, AgentOptions};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("life/agent-often-killed", PerTier::SEEN, play);

const OFTEN: usize = 2;

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let before = own_objects(&agent)?;
    ensure!(before > 0, "the agent calls nothing its own");
    for _ in 0..OFTEN {
        agent.kill()?;
        agent.start_again().context("starting the agent again")?;
        let now = own_objects(&agent)?;
        ensure!(now == before, "{before} kernel objects were its own after the first start, now {now} are");
    }
    Ok(())
}

/// Rows of the table.
fn own_objects(agent: &Agent) -> Result<u64> {
    let status = agent.asked(|answers| answers.status())?;
    let table = status.tables.iter().find(|table| table.name == "kernel own objects");
    Ok(table.context("the status does not name the table")?.used)
}
