//! A workload that has connected somewhere before any policy was there, and listens on that connection's own port by now:
//! who has opened it is not guessed.

use anyhow::{Result, ensure};
use cofferdam_model::Verdict;

use super::kit::{below, holder, secret};
use crate::bench::wait::Look;
use crate::bench::{AgentOptions, Listener, Policy, until};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/posed-as-accepted", PerTier::SEEN, play);

const NAME: &str = "posing";

fn play(stage: &Stage<'_>) -> Result<()> {
    // An agent of its own: under that of other scenarios there is always some policy.
    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = &stage.watched_by(&agent);
    let secret = secret(stage, NAME)?;
    let app = holder(stage, &secret, NAME)?;
    let elsewhere = Listener::sink()?;
    app.does("connect-posing", &["early", &elsewhere.address().to_string()])?.went_through()?;
    app.does("send-held", &["early"])?.went_through()?;
    until("what is sent before there is a policy to arrive", || {
        let arrived = elsewhere.received() > 0;
        Ok(if arrived { Look::Found(()) } else { Look::NotYet("nothing has arrived".to_owned()) })
    })?;
    let before = elsewhere.received();

    let spec =
        format!("selector: {{ cgroup: \"{}\" }}\negress: {{ id: out, default: deny }}\n", below(stage, NAME));
    let policy = Policy::apply(stage.place(), &agent, NAME, &spec)?;
    policy.holds(&app, &["out"])?;
    app.does("send-held", &["early"])?.went_through()?;
    until("it to be denied", || {
        let rows = agent.asked(|answers| answers.connections_of(app.id()))?;
        let port = elsewhere.address().port();
        let denied = rows.iter().any(|row| row.port == port && row.verdict == Verdict::Denied);
        Ok(if denied { Look::Found(()) } else { Look::NotYet(format!("there is {rows:?}")) })
    })?;
    ensure!(elsewhere.received() == before, "something has arrived");
    stage.nothing_fails_open()
}
