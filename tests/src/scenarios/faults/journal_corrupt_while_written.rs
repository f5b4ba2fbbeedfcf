//! The journal's file is damaged while the agent writes it: the agent notices, sets it aside, and writes what is so now,
//! with every counter that still runs, into a new one.

use anyhow::Result;

use super::journal_corrupt::{damage, is_set_aside};
use crate::bench::AgentOptions;
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario =
    Scenario::new("faults/journal-corrupt-while-written", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("rewritten-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let of_main = |times| access(&app).to(&creds, "password").by_main(&app).times(times);
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &of_main(1))?;

    let damaged = damage(&agent.state_dir().join("journal"))?;
    agent.says("set a corrupt segment aside")?;
    stage.must_report(&app, &of_main(1))?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &of_main(2))?;
    app.child_does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_child(&app))?;
    is_set_aside(&agent, &damaged)
}
