//! After a reboot the last policies are in force before the service manager is told that the agent is ready, and so
//! before it starts anything else. The agent has the rights of its systemd unit alone.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use nix::errno::Errno;

use crate::bench::wait::{Look, PATIENCE};
use crate::bench::{AgentOptions, Listener, until};
use crate::bypass::{Contained, Destination, Kind, PASSWORD};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("life/boot", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let at = stage.place().path("notify-of-boot");
    let manager = Manager::new(&at)?;
    let options = AgentOptions { notify: Some(at), confined: true, ..AgentOptions::default() };
    let mut agent = stage.own_agent(&options)?;
    manager.is_told_that_it_is_ready()?;
    let elsewhere = Listener::tcp4()?;
    let of_agent = stage.watched_by(&agent);
    let contained = Contained::new(&of_agent, &agent, Kind::Usual, Destination::Address, "rebooted")?;
    contained.serves()?;

    // What a reboot leaves: the state on disk, no programs, no tables, no guard.
    agent.quit()?;
    agent.unload()?;
    until("the rules to be gone", || {
        let reply = contained.attacker(&[&["open", PASSWORD]])?;
        Ok(if reply.ok { Look::Found(()) } else { Look::NotYet(reply.output) })
    })?;

    let (started, denied) = thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            manager.is_told_that_it_is_ready()?;
            is_denied(&contained, &elsewhere)
        });
        (agent.start_again(), attacker.join())
    });
    started.context("starting the agent after a reboot")?;
    denied.map_err(|_| anyhow!("the attacker's thread failed"))??;

    // And for what is started then.
    let contained = contained.made_again(&stage.watched_by(&agent))?;
    contained.serves()?;
    is_denied(&contained, &elsewhere)?;
    stage.watched_by(&agent).nothing_fails_open()
}

fn is_denied(contained: &Contained, elsewhere: &Listener) -> Result<()> {
    let opened = contained.attacker(&[&["open", PASSWORD]])?.was_refused_with(Errno::EPERM);
    opened.context("another program opens the secret")?;
    let main = contained.container();
    main.does("open", &[PASSWORD])?.went_through()?;
    let connected = main.does("connect-tcp", &[&elsewhere.address().to_string()])?;
    connected.was_refused_with(Errno::EPERM).context("the reader connects elsewhere")
}

/// Waits to be told, as systemd does.
struct Manager(UnixDatagram);

impl Manager {
    fn new(at: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(at).with_context(|| format!("listening at {}", at.display()))?;
        socket.set_read_timeout(Some(PATIENCE * 4)).context("limiting the wait")?;
        Ok(Self(socket))
    }

    fn is_told_that_it_is_ready(&self) -> Result<()> {
        let mut told = [0; 256];
        let length = self.0.recv(&mut told).context("waiting to be told")?;
        let told = String::from_utf8_lossy(&told[..length]).into_owned();
        ensure!(told == "READY=1", "it was told {told:?}");
        Ok(())
    }
}
