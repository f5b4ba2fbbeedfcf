//! Opening to write is an access too, and says so.

use anyhow::Result;
use cofferdam_model::AccessMode;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/writing", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    // Known before the container starts: how soon a secret is found is asked elsewhere.
    let creds = stage.volume("written", &["password"])?;
    let app = stage.container().with_writable(creds.folder(), "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password").by_main(&app);

    app.does("open", &["/etc/creds/password", "write"])?.went_through()?;
    stage.must_report(&app, &secret.clone().with_mode(AccessMode::Write))?;
    app.does("open", &["/etc/creds/password", "read-write"])?.went_through()?;
    stage.must_report(&app, &secret.with_mode(AccessMode::ReadWrite))
}
