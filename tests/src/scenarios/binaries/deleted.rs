//! A program whose file has no name any more when it is executed.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("binaries/deleted", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("deleted-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let secret = access(&app).to(&creds, "password");

    app.does("run-deleted", &["/bin/actor", "do", "open", "/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &secret.by_child(&app).by_binary_from(BinaryOrigin::Deleted))
}
