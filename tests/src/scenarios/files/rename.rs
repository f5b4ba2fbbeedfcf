//! A configured file is given another name and opened by that.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/rename", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let vault = stage.vault();
    let app = stage.container().with_writable(vault.folder(), "/data").start()?;

    app.does("rename", &["/data/secret-file", "/data/public/renamed"])?.went_through()?;
    app.does("open", &["/data/public/renamed"])?.went_through()?;
    app.does("rename", &["/data/public/renamed", "/data/secret-file"])?.went_through()?;
    stage.must_report(&app, &access(&app).to_named(vault.file_name(), None).by_main(&app))
}
