//! The agent is asked to end and started again: as after a kill, the kernel has gone on counting.

use anyhow::{Result, ensure};

use crate::bench::AgentOptions;
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("life/agent-ends", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let creds = stage.watched_by(&agent).volume("waiting-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    let status = agent.quit()?;
    ensure!(status.success(), "the agent ended with {status}");
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    agent.start_again()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;

    let stage = stage.watched_by(&agent);
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).times(3))?;
    stage.nothing_was_lost()
}
