//! The agent cannot run while a container starts whose secret nobody has watched before: what the container read
//! meanwhile was not seen, and the answer says so.

use anyhow::{Result, ensure};
use cofferdam_model::AccessRow;

use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Container, until};
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("identity/late", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = stage.watched_by(&agent);

    let gone = stage.plain_secret("gone", &["password"])?;
    agent.pause()?;
    let read = stage
        .container()
        .with_secret(&gone, "/run/secrets/gone")
        .run_once("open", &["/run/secrets/gone/password"]);
    agent.go_on()?;
    let (job, reply) = read?;
    reply.went_through()?;
    until("the end of a container that nobody could look at to be told as a loss", || {
        told_as_lost(&agent, &job)
    })?;

    let stays = stage.plain_secret("stays", &["password"])?;
    agent.pause()?;
    let started = stage.container().with_secret(&stays, "/run/secrets/stays").start();
    let read = started.and_then(|app| Ok((app.does("open", &["/run/secrets/stays/password"])?, app)));
    agent.go_on()?;
    let (reply, app) = read?;
    reply.went_through()?;
    until("what a container read before its secret was watched to be told as a loss", || {
        told_as_lost(&agent, &app)
    })?;
    app.does("open", &["/run/secrets/stays/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&stays, "password").by_main(&app))?;

    let creds = stage.volume("in-time-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))?;
    ensure!(
        !is_told_as_lost(&agent, &app)?,
        "a container whose secret was watched in time is told to be late"
    );
    Ok(())
}

fn told_as_lost(agent: &Agent, container: &Container) -> Result<Look<()>> {
    let told = is_told_as_lost(agent, container)?;
    Ok(if told { Look::Found(()) } else { Look::NotYet("the answer does not say it".to_owned()) })
}

/// Whether the answer about a container says that it was not watched for a time.
pub(super) fn is_told_as_lost(agent: &Agent, container: &Container) -> Result<bool> {
    let question = ["accesses", "--container", container.id()];
    let completeness = agent.asked(|answers| answers.answer::<AccessRow>(&question))?.completeness;
    Ok(completeness.reasons.iter().any(|reason| reason.contains("unwatched")))
}
