//! A container that shares its neighbour's processes reads its environment; reading one's own is nothing.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/foreign-environment", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let app = stage.container().with_env("DB_PASSWORD", "not-shown").start()?;
    let thief = stage.container().sharing_processes_of(&app).start()?;

    thief.does("open", &["/proc/self/environ"])?.went_through()?;
    stage.finds(&thief, &[])?;
    thief.does("open", &["/proc/1/environ"])?.went_through()?;
    stage.finds(&thief, &["foreign-environment"])?;
    stage.finds(&app, &[]).map(drop)
}
