//! A process of a container reads its secret: once, then again and again.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("files/plain-read", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("plain-creds", &["password", "user"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))?;

    for _ in 0..9 {
        app.does("open", &["/etc/creds/password"])?.went_through()?;
    }
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).times(10))?;
    stage.says_nothing_of(&app, &access(&app).to(&creds, "user"))
}
