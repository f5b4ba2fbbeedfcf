//! A process that enters from outside, as `kubectl exec` does, is told from the container's own.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/exec-session", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("session-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    let session = app.exec_session("open", &["/etc/creds/password"])?;
    session.reply.clone().went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_session(&session))
}
