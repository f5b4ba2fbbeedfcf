//! Programs that did not come with the image read a secret: one that was written, one in memory, one that is deleted.

use anyhow::{Result, ensure};
use cofferdam_model::BinaryOrigin;

use crate::bench::container::ACTOR;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/reader-not-of-the-image", PerTier::SEEN, play).of_user_space();

const RULE: &str = "reader-not-of-the-image";
const READ: &[&str] = &["do", "open", "/etc/creds/password"];

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("foreign-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.runs(ACTOR, READ)?.went_through()?;
    app.does("copy", &[ACTOR, "/tmp/tool"])?.went_through()?;
    app.runs("/tmp/tool", &["do", "pid"])?.went_through()?;
    stage.finds(&app, &[])?;

    app.runs("/tmp/tool", READ)?.went_through()?;
    app.does("run-memfd", &[&[ACTOR], READ].concat())?.went_through()?;
    app.does("run-deleted", &[&[ACTOR], READ].concat())?.went_through()?;
    let found = stage.finds(&app, &[RULE, RULE, RULE])?;
    for origin in [BinaryOrigin::Written, BinaryOrigin::Memfd, BinaryOrigin::Deleted] {
        ensure!(found.iter().any(|row| row.binary_origin == origin), "one is {origin}: {found:?}");
    }
    Ok(())
}
