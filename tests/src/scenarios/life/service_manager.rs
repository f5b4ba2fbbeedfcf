//! A service manager that is told that the agent is ready can rely on it: what happens from then on is seen.

use std::os::unix::net::UnixDatagram;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::bench::wait::PATIENCE;
use crate::bench::{AgentOptions, Secret};
use crate::stage::{PerTier, Scenario, Stage, Went, access};

pub(super) const SCENARIO: Scenario =
    Scenario::new("life/service-manager", PerTier::SEEN, play).of_user_space();

fn play(stage: &Stage<'_>) -> Result<()> {
    let creds = Secret::volume(stage.place(), "waited-creds", &["password"])?;
    let app = stage.container().with_secret(&creds, "/etc/creds").start()?;
    let at = stage.place().path("notify");
    let manager = UnixDatagram::bind(&at).with_context(|| format!("listening at {}", at.display()))?;
    manager.set_read_timeout(Some(PATIENCE)).context("limiting the wait")?;

    let read_when_told = || -> Result<String> {
        let mut told = [0; 256];
        let length = manager.recv(&mut told).context("waiting to be told")?;
        app.does("open", &["/etc/creds/password"])?.went_through()?;
        Ok(String::from_utf8_lossy(&told[..length]).into_owned())
    };
    let options = AgentOptions { notify: Some(at), ..AgentOptions::default() };
    let (agent, told) = thread::scope(|scope| {
        let reader = scope.spawn(read_when_told);
        (stage.own_agent(&options), reader.join())
    });
    let (agent, told) = (agent?, told.map_err(|_| anyhow!("the service manager panicked"))??);
    ensure!(told == "READY=1", "it was told {told:?}");

    let stage = stage.watched_by(&agent);
    stage.must_report(&app, &access(&app).to(&creds, "password").by_main(&app).adopted())?;
    stage.nothing_was_lost()
}
