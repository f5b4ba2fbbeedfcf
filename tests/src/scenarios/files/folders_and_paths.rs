//! Looking at a folder, or at where a file is (`O_PATH`), reads no secret.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/folders-and-paths", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("looked-at", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open", &["/etc/creds", "directory"])?.went_through()?;
    app.does("open", &["/etc/creds/password", "path"])?.went_through()?;
    stage.says_nothing_of(&app, &access(&app).to(&creds, "password"))
}
