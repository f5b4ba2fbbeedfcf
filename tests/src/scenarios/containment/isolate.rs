//! A secret that isolates leaves its workload, once it is read, nothing but its own destinations: neither what else is
//! permitted, nor answers to those who connect to it.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;

use super::kit::{below, holder, secret, watch_for, within};
use crate::bench::{Listener, Policy};
use crate::bypass::{PASSWORD, Trace};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/isolate", PerTier::SEEN, play);

const DECIDER: (&str, &str) = ("isolating", "db");
/// How long somebody waits for an answer who gets none.
const PATIENCE: Duration = Duration::from_millis(700);

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = secret(stage, "isolating")?;
    let container = holder(stage, &secret, DECIDER.0)?;
    let (own, permitted) = (Listener::tcp4()?, Listener::tcp4()?);
    let spec = format!(
        "selector: {{ cgroup: \"{}\" }}\n\
         secrets:\n\
         \u{20} - id: db\n\
         \u{20}   secret: {}\n\
         \u{20}   readers: any\n\
         \u{20}   isolate: true\n\
         \u{20}   destinations: [ {{ cidr: 127.0.0.1/32, ports: [{}], protocol: tcp }} ]\n\
         egress: {{ id: out, default: deny, allow: [ {{ cidr: 127.0.0.1/32, ports: [{}] }} ] }}\n",
        below(stage, DECIDER.0),
        secret.name(),
        own.address().port(),
        permitted.address().port(),
    );
    let policy = Policy::apply(stage.place(), stage.agent()?, DECIDER.0, &spec)?;
    policy.holds(&container, &["db", "out"])?;
    // Once isolated it does not answer the bench over a unix socket either.
    let connects = |to: &Listener| within(&container, "connect-tcp", &[&to.address().to_string()]);
    let at: SocketAddr = container.does("listen-tcp", &[])?.went_through()?.parse().context("its address")?;
    let knock = || TcpStream::connect_timeout(&at, PATIENCE);

    connects(&own)?.went_through().context("before it is read")?;
    connects(&permitted)?.went_through().context("before it is read")?;
    knock().context("before it is read")?;

    within(&container, "open", &[PASSWORD])?.went_through()?;
    let watched = watch_for(stage, &container, Trace::Connection(permitted.address().port()))?;
    connects(&permitted)?.was_refused_with(Errno::EPERM)?;
    watched.was_denied(DECIDER, 1)?;
    connects(&own)?.went_through().context("its own destination")?;
    ensure!(knock().is_err(), "who connects to it is answered still");
    stage.nothing_fails_open()
}
