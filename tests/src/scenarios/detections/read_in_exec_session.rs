//! Somebody enters a running container and reads its secret, with the program that reads it every day.

use anyhow::{Result, ensure};

use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/read-in-exec-session", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = stage.volume("entered-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.exec_session("pid", &[])?.reply.went_through()?;
    stage.finds(&app, &[])?;

    let session = app.exec_session("open", &["/etc/creds/password"])?;
    session.reply.went_through()?;
    let found = stage.finds(&app, &["read-in-exec-session"])?;
    ensure!(found[0].exec_session == Some(true), "in a session: {found:?}");
    ensure!(found[0].pid == Some(session.pid), "by {}: {found:?}", session.pid);
    Ok(())
}
