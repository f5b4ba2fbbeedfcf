//! The agent is killed and started again: meanwhile the kernel goes on counting. Every count is exact, nothing is there
//! twice, what was born without an agent has its names, and the table of what is the agent's own has not grown.

use anyhow::{Context, Result, ensure};
use cofferdam_model::Protocol;

use crate::bench::{Agent, AgentOptions, Listener};
use crate::stage::{PerTier, Scenario, Stage, Went, access, connection};

pub(super) const SCENARIO: Scenario = Scenario::new("life/agent-killed", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let listener = Listener::udp4()?;
    let to = listener.address().to_string();
    let creds = stage.watched_by(&agent).volume("lasting-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let reads = |times: u32| -> Result<()> {
        for _ in 0..times {
            app.does("open", &["/etc/creds/password"])?.went_through()?;
        }
        app.does("connect-loop", &[&to, &times.to_string()])?.went_through().map(drop)
    };
    let of_main = |times| access(&app).to(&creds, "password").by_main(&app).times(times);
    let sent = |times| {
        connection(&app, Protocol::Udp, listener.address())
            .times(times)
            .tainted_by("volume/lasting-creds:password")
    };

    reads(5)?;
    stage.watched_by(&agent).reports(&of_main(5))?;

    let own = own_objects(&agent)?;
    ensure!(own > 0, "the agent calls nothing its own");

    agent.kill()?;
    reads(7)?;
    app.child_does("open", &["/etc/creds/password"])?.went_through()?;
    let born_meanwhile = stage.container().with_secret(&creds, "/etc/creds").start()?;
    born_meanwhile.does("open", &["/etc/creds/password"])?.went_through()?;

    agent.start_again().context("starting the agent again")?;
    let now = own_objects(&agent)?;
    ensure!(now == own, "{own} kernel objects were its own after the first start, now {now} are");
    let stage = stage.watched_by(&agent);
    reads(3)?;
    stage.must_report(&app, &of_main(15))?;
    stage.must_report(&app, &access(&app).to(&creds, "password").by_child(&app))?;
    stage.reports_connection(&sent(15))?;
    stage.must_report(
        &born_meanwhile,
        &access(&born_meanwhile).to(&creds, "password").by_main(&born_meanwhile),
    )?;

    // Nothing comes in twice later.
    stage.everything_has_arrived(&app)?;
    stage.must_report(&app, &of_main(15))?;
    stage.reports_connection(&sent(15))?;
    stage.nothing_was_lost()
}

/// Rows of the table of kernel objects that nobody but the agent may touch.
fn own_objects(agent: &Agent) -> Result<u64> {
    let status = agent.asked(|answers| answers.status())?;
    let table = status.tables.iter().find(|table| table.name == "kernel own objects");
    Ok(table.context("the status does not name the table")?.used)
}
