//! Two agents side by side: both see the same, and neither disturbs the other.

use anyhow::Result;

use crate::bench::AgentOptions;
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("life/two-agents", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let second = stage.own_agent(&AgentOptions::default())?;
    let creds = stage.volume("seen-twice", &["password"])?;
    stage.watched_by(&second).is_found(&creds)?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let wanted = access(&app).to(&creds, "password").by_main(&app);

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &wanted)?;
    stage.watched_by(&second).must_report(&app, &wanted)?;
    stage.watched_by(&second).nothing_was_lost()?;

    drop(second);
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &wanted.times(2))
}
