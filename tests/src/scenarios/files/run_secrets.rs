//! A tmpfs at `/run/secrets` of a container is found without configuration; the container owns it.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/run-secrets", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let plain = stage.plain_secret("db", &["password"])?;
    let app = stage.container().with_secret(&plain, "/run/secrets/db").start()?;

    app.does("open", &["/run/secrets/db/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&plain, "password").by_main(&app))
}
