//! A thread that is not the process's first opens the secret: the process is named.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/thread", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("thread-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open-in-thread", &["/etc/creds/password"])?.went_through()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).times(2))
}
