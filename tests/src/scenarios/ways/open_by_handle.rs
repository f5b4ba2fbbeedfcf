//! Opened by its handle, without a path.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("ways/open-by-handle", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("handle-creds", &["password"])?;
    let app =
        stage.container().with_secret(&creds, "/etc/creds").with_capability("CAP_DAC_READ_SEARCH").start()?;

    app.does("open-by-handle", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))
}
