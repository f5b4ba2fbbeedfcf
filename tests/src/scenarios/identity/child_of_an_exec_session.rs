//! What an exec session starts belongs to the session, and what runs in the background after it too.

use anyhow::Result;

use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/child-of-an-exec-session", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("shell-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    let session = app.exec_session("run", &["/bin/actor", "do", "open", "/etc/creds/password"])?;
    session.reply.clone().went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_child_of_session(&session))
}
