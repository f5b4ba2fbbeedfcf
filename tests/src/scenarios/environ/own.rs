//! A process reads its own environment.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("environ/own", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().with_env("DB_PASSWORD", "not-shown").start()?;

    app.does("open", &["/proc/self/environ"])?.went_through()?;
    let own = access(&app).to_environment_of(TargetRelation::Own, &app, Some(app.pid())).by_main(&app);
    stage.must_report(&app, &own)
}
