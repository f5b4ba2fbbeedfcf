//! Made anew by `creat`: whoever replaces a secret has it open to write.

use anyhow::Result;
use cofferdam_model::AccessMode;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("ways/creat", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("made", &["password"])?;
    let app = stage.container().with_writable(creds.folder(), "/etc/creds").start()?;

    app.does("creat", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).with_mode(AccessMode::Write))
}
