//! Opening to write is an access too, and says so.

use anyhow::Result;
use cofferdam_model::AccessMode;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/writing", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let plain = stage.plain_secret("written", &["password"])?;
    let app = stage.container().with_writable(plain.folder(), "/run/secrets/written").start()?;
    let secret = access(&app).to(&plain, "password").by_main(&app);

    app.does("open", &["/run/secrets/written/password", "write"])?.went_through()?;
    stage.must_report(&app, &secret.clone().with_mode(AccessMode::Write))?;
    app.does("open", &["/run/secrets/written/password", "read-write"])?.went_through()?;
    stage.must_report(&app, &secret.with_mode(AccessMode::ReadWrite))
}
