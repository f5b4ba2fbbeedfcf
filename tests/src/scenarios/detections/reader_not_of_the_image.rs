//! Programs that did not come with the image read a secret: one that was written, one in memory, one that is deleted.

use anyhow::{Result, ensure};
use cofferdam_model::{BinaryOrigin, DetectionRow};

use crate::bench::container::ACTOR;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/reader-not-of-the-image", PerTier::SEEN, play).of_user_space();

const RULE: &str = "reader-not-of-the-image";
/// Nor is it one that reads it every day.
const BESIDES: &str = "unexpected-reader";
const READ: &[&str] = &["do", "open", "/etc/creds/password"];

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("foreign-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.runs(ACTOR, READ)?.went_through()?;
    stage.habits_become_known();
    app.does("copy", &[ACTOR, "/tmp/tool"])?.went_through()?;
    app.runs("/tmp/tool", &["do", "pid"])?.went_through()?;
    stage.finds(&app, &[])?;

    app.runs("/tmp/tool", READ)?.went_through()?;
    app.does("run-memfd", &[&[ACTOR], READ].concat())?.went_through()?;
    app.does("run-deleted", &[&[ACTOR], READ].concat())?.went_through()?;
    let found = stage.finds(&app, &[RULE, RULE, RULE, BESIDES, BESIDES, BESIDES])?;
    for origin in [BinaryOrigin::Written, BinaryOrigin::Memfd, BinaryOrigin::Deleted] {
        let is_it = |row: &DetectionRow| row.rule == RULE && row.binary_origin == origin;
        ensure!(found.iter().any(is_it), "one is {origin}: {found:?}");
    }
    Ok(())
}
