//! Where the container runtime should answer is nobody at first, and then somebody who hangs up, talks nonsense or
//! keeps silent: the agent knows containers by their cgroups meanwhile, says so, and tries again and again.

use anyhow::{Context, Result, ensure};

use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Impostor, until};
use crate::stage::{Ledger, PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario = Scenario::new("faults/no-runtime", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let socket = stage.place().path("no-runtime.sock");
    let agent =
        stage.own_agent(&AgentOptions { cri_socket: Some(socket.clone()), ..AgentOptions::default() })?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("nameless-creds", &["password"])?;
    let reads_and_is_known = || -> Result<()> {
        let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
        app.does("open", &["/etc/creds/password"])?.went_through()?;
        stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app))
    };

    reads_and_is_known()?;
    agent_says_of_runtime(&agent, "no socket at")?;

    let impostor = Impostor::at(&socket)?;
    until("the agent to have met every manner, and to have come again", || {
        let visitors = impostor.visitors();
        let enough = visitors > Impostor::manners();
        Ok(if enough { Look::Found(()) } else { Look::NotYet(format!("it came {visitors} times")) })
    })?;
    reads_and_is_known()?;
    let said = of_runtime(&agent)?;
    ensure!(
        said.contains("no runtime answers") && said.contains("no-runtime.sock") && said.contains("by id"),
        "status says: {said}"
    );
    drop(impostor);
    reads_and_is_known()?;
    stage.ledger()?.is_clean_since(&Ledger::default(), &[])
}

/// Waits until `status` says of the runtime what contains these words.
pub(super) fn agent_says_of_runtime(agent: &Agent, words: &str) -> Result<()> {
    until(&format!("status to say `{words}` of the runtime"), || {
        let said = of_runtime(agent)?;
        Ok(if said.contains(words) { Look::Found(()) } else { Look::NotYet(format!("it says: {said}")) })
    })
}

/// What `status` says of the runtime.
fn of_runtime(agent: &Agent) -> Result<String> {
    let sources = agent.asked(|answers| answers.status())?.sources;
    let runtime = sources.into_iter().find(|source| source.name == "CRI");
    Ok(runtime.context("status says nothing of the runtime")?.state)
}
