//! The way leads through a procfs that is mounted elsewhere.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("environ/second-procfs", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().with_env("DB_PASSWORD", "not-shown").with_second_proc("/mnt").start()?;

    app.child_does("open", &["/mnt/1/environ"])?.went_through()?;
    let sibling =
        access(&app).to_environment_of(TargetRelation::Sibling, &app, Some(app.pid())).by_child(&app);
    stage.must_report(&app, &sibling)
}
