//! A program that was written after the container was made.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/written", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("written-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password");

    app.does("copy", &["/bin/actor", "/tmp/dropped"])?.went_through()?;
    app.runs("/tmp/dropped", &["do", "open", "/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &secret.by_child(&app).by_binary("/tmp/dropped", BinaryOrigin::Written))
}
