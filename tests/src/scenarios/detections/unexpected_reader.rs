//! A program of the image reads a secret that another one of it reads every day.

use anyhow::{Result, ensure};

use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/unexpected-reader", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("expected-creds", &["password"])?;
    let app = stage.container().running(SERVER).with_secret(&creds, "/etc/creds").start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.habits_become_known();
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.runs(SERVER, &["do", "open", "/etc/creds/password"])?.went_through()?;
    stage.finds(&app, &[])?;

    app.child_does("open", &["/etc/creds/password"])?.went_through()?;
    let found = stage.finds(&app, &["unexpected-reader"])?;
    ensure!(found[0].binary.as_deref() == Some(ACTOR), "it was {ACTOR}: {found:?}");
    ensure!(found[0].secret.as_deref() == Some("volume/expected-creds"), "which secret: {found:?}");

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.finds(&app, &["unexpected-reader"]).map(drop)
}
