//! The way leads through a thread of the process.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("environ/of-a-thread", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().with_env("DB_PASSWORD", "not-shown").start()?;

    let thread = app.does("thread", &[])?.went_through()?;
    app.child_does("open", &[&format!("/proc/1/task/{thread}/environ")])?.went_through()?;
    let sibling =
        access(&app).to_environment_of(TargetRelation::Sibling, &app, Some(app.pid())).by_child(&app);
    stage.must_report(&app, &sibling)
}
