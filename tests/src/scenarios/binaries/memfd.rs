//! A program that is in memory only.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/memfd", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("memfd-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password");

    app.does("run-memfd", &["/bin/actor", "do", "open", "/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &secret.by_child(&app).by_binary_from(BinaryOrigin::Memfd))
}
