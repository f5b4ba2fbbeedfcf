//! A descriptor that is held is opened again through `/proc/self/fd`, without any path.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/proc-self-fd", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("fd-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("hold", &["it", "/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))?;
    app.does("reopen", &["it"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).times(2))
}
