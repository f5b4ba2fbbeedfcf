//! Who has connected to a workload before any policy was there is answered, also once there is one, and once the
//! workload is bound.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result};
use nix::errno::Errno;

use super::kit::{below, holder, reads, secret};
use crate::bench::wait::PATIENCE;
use crate::bench::{AgentOptions, Container, Listener, Policy};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/reply-to-older", PerTier::SEEN, play);

const NAME: &str = "older";

fn play(stage: &Stage<'_>) -> Result<()> {
    // An agent of its own: under that of other scenarios there is always some policy.
    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = &stage.watched_by(&agent);
    let secret = secret(stage, NAME)?;
    let service = holder(stage, &secret, NAME)?;
    let at = service.does("listen-tcp", &[])?.went_through()?.parse().context("where it listens")?;
    let mut early = Caller::of(&service, at, "early")?;
    let mut silent = Caller::of(&service, at, "silent")?;
    early.is_answered_by(&service).context("before there is a policy")?;

    let permitted = Listener::tcp4()?;
    let spec = format!(
        "selector: {{ cgroup: \"{}\" }}\n\
         secrets:\n\
         \u{20} - id: db\n\
         \u{20}   secret: {}\n\
         \u{20}   readers: any\n\
         \u{20}   bind: first-read\n\
         \u{20}   destinations: [ {{ cidr: 127.0.0.1/32, ports: [{}], protocol: tcp }} ]\n\
         egress: {{ id: out, default: deny }}\n",
        below(stage, NAME),
        secret.name(),
        permitted.address().port(),
    );
    let policy = Policy::apply(stage.place(), &agent, NAME, &spec)?;
    policy.holds(&service, &["db", "out"])?;
    goes_nowhere(&service)?;
    early.is_answered_by(&service).context("once there is a policy")?;

    reads(&service)?;
    goes_nowhere(&service)?;
    early.is_answered_by(&service).context("once it is bound")?;
    silent.is_answered_by(&service).context("once it is bound, for the first time")?;
    stage.nothing_fails_open()
}

fn goes_nowhere(service: &Container) -> Result<()> {
    let elsewhere = Listener::tcp4()?;
    service.does("connect-tcp", &[&elsewhere.address().to_string()])?.was_refused_with(Errno::EPERM)
}

/// Somebody outside who has connected to the workload.
struct Caller {
    name: &'static str,
    stream: TcpStream,
}

impl Caller {
    fn of(service: &Container, at: SocketAddr, name: &'static str) -> Result<Self> {
        let stream = TcpStream::connect(at).with_context(|| format!("connecting to {at}"))?;
        stream.set_read_timeout(Some(PATIENCE)).context("limiting the wait")?;
        service.does("accept-tcp", &[name, &at.to_string()])?.went_through()?;
        Ok(Self { name, stream })
    }

    fn is_answered_by(&mut self, service: &Container) -> Result<()> {
        service.does("send-held", &[self.name])?.went_through()?;
        self.stream.read_exact(&mut [0]).context("waiting for an answer")
    }
}
