//! One volume at two places of a container is one secret.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/bind-mount", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("twice-creds", &["password"])?;
    let app =
        stage.container().with_secret(&creds, "/etc/creds").with_secret(&creds, "/opt/other").start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.does("open", &["/opt/other/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).times(2))
}
