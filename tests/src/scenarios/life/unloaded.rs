//! The agent is ended and its hooks are detached: nothing is seen until it is started again, and it says so.

use anyhow::{Result, ensure};
use cofferdam_model::AccessRow;

use crate::bench::AgentOptions;
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("life/unloaded", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let creds = stage.watched_by(&agent).volume("unseen-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let by_main = access(&app).to(&creds, "password").by_main(&app);

    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.watched_by(&agent).reports(&by_main)?;
    agent.quit()?;
    agent.unload()?;
    app.child_does("open", &["/etc/creds/password"])?.went_through()?;

    agent.start_again()?;
    let stage = stage.watched_by(&agent);
    stage.says_nothing_of(&app, &access(&app).to(&creds, "password").by_child(&app))?;
    stage.reports(&by_main)?;
    let answer =
        agent.asked(|answers| answers.answer::<AccessRow>(&["accesses", "--container", app.id()]))?;
    ensure!(!answer.completeness.complete, "the answer says that it is complete");
    ensure!(!answer.completeness.reasons.is_empty(), "the answer does not say why it is incomplete");
    stage.nothing_was_lost()
}
