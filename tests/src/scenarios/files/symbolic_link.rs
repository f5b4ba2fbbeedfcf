//! A link elsewhere leads to the secret: the file counts, not the name that was used.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/symbolic-link", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("linked-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("symlink", &["/etc/creds/password", "/tmp/harmless"])?.went_through()?;
    app.does("open", &["/tmp/harmless"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))
}
