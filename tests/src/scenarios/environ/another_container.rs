//! A container that shares its neighbour's processes reads its environment.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("environ/another-container", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().with_env("DB_PASSWORD", "not-shown").start()?;
    let thief = stage.container().sharing_processes_of(&app).start()?;

    thief.does("open", &["/proc/1/environ"])?.went_through()?;
    let other =
        access(&thief).to_environment_of(TargetRelation::Other, &app, Some(app.pid())).by_main(&thief);
    stage.must_report(&thief, &other)
}
