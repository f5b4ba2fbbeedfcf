//! Other files about a process, and files that are only called so, are no environment.

use anyhow::Result;
use cofferdam_model::TargetRelation;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("environ/other-files-of-processes", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().start()?;

    app.does("write", &["/tmp/environ", "644", "an ordinary file"])?.went_through()?;
    app.child_does("open", &["/tmp/environ"])?.went_through()?;
    app.child_does("open", &["/proc/1/status"])?.went_through()?;
    let sibling = access(&app).to_environment_of(TargetRelation::Sibling, &app, None);
    stage.says_nothing_of(&app, &sibling)
}
