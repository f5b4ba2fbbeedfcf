//! A configured folder: what lies in it, and what is put there later, is secret; what lies beside it is not.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/configured-tree", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let vault = stage.vault();
    let app = stage.container().with_writable(vault.folder(), "/data").start()?;

    app.does("open", &["/data/tree/deep/down/key"])?.went_through()?;
    stage
        .must_report(&app, &access(&app).to_named(vault.tree_name(), Some("deep/down/key")).by_main(&app))?;

    app.does("write", &["/data/tree/new-key", "600", "put here later"])?.went_through()?;
    app.child_does("open", &["/data/tree/new-key"])?.went_through()?;
    stage.must_report(&app, &access(&app).to_named(vault.tree_name(), Some("new-key")).by_child(&app))?;

    app.does("open", &["/data/public/file"])?.went_through()?;
    stage.says_nothing_of(&app, &access(&app).to_named(vault.tree_name(), Some("file")))
}
