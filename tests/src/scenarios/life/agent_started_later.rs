//! The agent is started after the container: what already runs is known, and a secret that is already open is told.

use anyhow::{Result, ensure};
use cofferdam_model::{AccessKind, AccessRow};

use crate::bench::{AgentOptions, Secret};
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("life/agent-started-later", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = Secret::volume(stage.place(), "early-creds", &["password", "user"])?;
    let plain = Secret::plain(stage.place(), "early", &["password"])?;
    let app = stage
        .container()
        .with_secret(&creds, "/etc/creds")
        .with_secret(&plain, "/run/secrets/early")
        .start()?;
    app.does("hold", &["it", "/etc/creds/password"])?.went_through()?;
    app.does("open", &["/etc/creds/user"])?.went_through()?;

    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = stage.watched_by(&agent);
    let by_main = access(&app).by_main(&app).adopted();
    stage.reports(&by_main.clone().to(&creds, "password").by_way_of(AccessKind::Held))?;

    app.does("reopen", &["it"])?.went_through()?;
    stage.must_report(&app, &by_main.clone().to(&creds, "password"))?;
    app.does("open", &["/run/secrets/early/password"])?.went_through()?;
    stage.must_report(&app, &by_main.clone().to(&plain, "password"))?;
    app.child_does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_child(&app).adopted())?;

    // What was closed before cannot be known, and the answer says so.
    stage.says_nothing_of(&app, &by_main.to(&creds, "user"))?;
    let before = agent.asked(|answers| answers.answer::<AccessRow>(&["accesses", "--since", "1h"]))?;
    ensure!(
        !before.completeness.complete,
        "an answer about the time before the agent says that it is complete"
    );
    stage.nothing_was_lost()
}
