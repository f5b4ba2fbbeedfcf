//! An agent that was killed knows the habits of workloads when it is started again, finds nothing twice, and what it
//! has found can be found again in its journal.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use cofferdam_model::DetectionRow;

use crate::bench::AgentOptions;
use crate::bench::answers::Answers;
use crate::bench::image::{SERVER, WORKER};
use crate::stage::{LEARNING, PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("detections/remembered", PerTier::SEEN, play).of_user_space();

const PASSWORD: &str = "/etc/creds/password";
const READER: &str = "unexpected-reader";

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions { learning: Some(LEARNING), ..AgentOptions::default() })?;
    let creds = stage.watched_by(&agent).volume("remembered-creds", &["password"])?;
    let app = stage.container().running(SERVER).with_secret(&creds, "/etc/creds").start()?;
    app.does("open", &[PASSWORD])?.went_through()?;
    stage.habits_become_known();
    app.child_does("open", &[PASSWORD])?.went_through()?;
    let first = stage.watched_by(&agent).finds(&app, &[READER])?;

    agent.kill()?;
    app.runs(SERVER, &["do", "open", PASSWORD])?.went_through()?;
    agent.start_again()?;
    app.runs(SERVER, &["do", "open", PASSWORD])?.went_through()?;
    let after = stage.watched_by(&agent).finds(&app, &[READER])?;
    ensure!(ids(&after) == ids(&first), "it is the finding from before: {after:?}");

    app.runs(WORKER, &["do", "open", PASSWORD])?.went_through()?;
    let all = stage.watched_by(&agent).finds(&app, &[READER, READER])?;
    ensure!(ids(&first).is_subset(&ids(&all)), "the one from before is kept: {all:?}");

    agent.quit()?;
    let state = agent.state_dir();
    let learning = format!("{}s", LEARNING.as_secs());
    let question = ["detect", "replay", "--learning", &learning, "--container", app.id()];
    let again = Answers::of_journal(&state).answer::<DetectionRow>(&question)?.rows;
    ensure!(ids(&again) == ids(&all), "replayed it finds {again:?}, and found {all:?}");
    Ok(())
}

fn ids(rows: &[DetectionRow]) -> BTreeSet<String> {
    rows.iter().map(|row| row.id.clone()).collect()
}
