//! The disk becomes full: the agent says so and goes on watching. When there is room again, everything that happened
//! meanwhile stands in the journal, and the counters of repeats are exact.

use anyhow::{Result, ensure};
use cofferdam_model::AccessRow;

use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Hog, until};
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/disk-full", PerTier::SEEN, play).of_user_space();

const DISK: u32 = 16;

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions { disk: Some(DISK), ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("patient-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let of_main = |times| access(&app).to(&creds, "password").by_main(&app).times(times);
    let of_child = access(&app).to(&creds, "password").by_child(&app);
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    stage.must_report(&app, &of_main(1))?;

    let hog = Hog::on(&agent.state_dir())?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    until("the agent to say that the journal cannot be written", || told_to_be_unwritable(&agent))?;
    agent.says("the journal cannot be written")?;
    app.does("open", &["/etc/creds/password"])?.went_through()?;
    app.child_does("open", &["/etc/creds/password"])?.went_through()?;
    let born_meanwhile = stage.container().with_secret(&creds, "/etc/creds").start()?;
    born_meanwhile.does("open", &["/etc/creds/password"])?.went_through()?;
    let answer = agent.asked(|answers| answers.answer::<AccessRow>(&["accesses"]))?;
    let reasons = answer.completeness.reasons.join("; ");
    ensure!(
        !answer.completeness.complete && reasons.contains("cannot be written"),
        "the answer does not say what it lacks: {reasons}"
    );

    hog.leaves()?;
    stage.must_report(&app, &of_main(3))?;
    stage.must_report(&app, &of_child)?;
    let of_the_other = access(&born_meanwhile).to(&creds, "password").by_main(&born_meanwhile);
    stage.must_report(&born_meanwhile, &of_the_other)?;
    agent.says("the journal can be written again")?;
    for _ in 0..5 {
        app.does("open", &["/etc/creds/password"])?.went_through()?;
    }
    stage.must_report(&app, &of_main(8))?;
    stage.must_report(&app, &of_child)?;
    ensure!(stage.ledger()?.lost() == 0, "lost: {:?}", stage.ledger()?);
    until("the agent to say nothing of a full disk any more", || {
        Ok(match told_to_be_unwritable(&agent)? {
            Look::Found(()) => Look::NotYet("it still does".to_owned()),
            Look::NotYet(_) => Look::Found(()),
        })
    })
}

pub(super) fn told_to_be_unwritable(agent: &Agent) -> Result<Look<()>> {
    let told = agent.asked(|answers| answers.status())?.journal.errors;
    let unwritable = told.iter().any(|error| error.contains("cannot be written"));
    Ok(if unwritable { Look::Found(()) } else { Look::NotYet(format!("it says {told:?}")) })
}
