//! Opened through io_uring, which makes no system call for the open.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario =
    Scenario::new("ways/io-uring", PerTier::only_lsm("opens through io_uring"), play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("uring-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open-uring", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))
}
