//! A configured file is opened by another name of its own, in another folder.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/hard-link", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let vault = stage.vault();
    let app = stage.container().with_writable(vault.folder(), "/data").start()?;

    app.does("link", &["/data/secret-file", "/data/public/innocent"])?.went_through()?;
    app.does("open", &["/data/public/innocent"])?.went_through()?;
    stage.must_report(&app, &access(&app).to_named(vault.file_name(), None).by_main(&app))?;
    app.does("unlink", &["/data/public/innocent"])?.went_through()?;

    app.does("open", &["/data/public/file"])?.went_through()?;
    stage.must_report(&app, &access(&app).to_named(vault.file_name(), None).by_main(&app))
}
