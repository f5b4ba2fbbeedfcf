//! A workload is cut off: what it has open is destroyed, nothing goes out and nothing comes in, at once; others are not
//! disturbed, and afterwards all is as it was.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cofferdam_api::Tier;
use nix::errno::Errno;

use super::kit::{comes_to_be, holder, reads, secret, watch_for, within};
use crate::bench::{Container, Listener, Order};
use crate::bypass::{PASSWORD, Trace};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/cut-off", PerTier::SEEN, play);

/// How long somebody waits for an answer who gets none.
const PATIENCE: Duration = Duration::from_millis(700);

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = secret(stage, "cut")?;
    let (suspect, other) = (holder(stage, &secret, "cut")?, holder(stage, &secret, "cut")?);
    let (of_suspect, of_other) = (Outside::of(&suspect)?, Outside::of(&other)?);
    of_suspect.is_reached_by(&suspect)?;
    of_other.is_reached_by(&other)?;

    let port = of_suspect.sink.address().port();
    let watched = watch_for(stage, &suspect, Trace::Connection(port))?;
    let scope = ["--workload", &suspect.workload(), "--cut-off"];
    let order = Order::give(stage.agent()?, &scope, "it calls home")?;
    // What the guests of that tier lack nothing for.
    let notes = &order.row().notes;
    ensure!(notes.is_empty() || stage.tier() != Tier::Lsm, "not all sockets were destroyed: {notes:?}");
    of_suspect.is_cut_from(&suspect, &order, stage.tier())?;
    let read = within(&suspect, "open", &[PASSWORD])?;
    read.was_refused_with(Errno::EPERM).context("who is contained has its secrets still")?;
    watched.was_denied(order.decider(), 1)?;
    of_other.is_reached_by(&other).context("another workload is disturbed")?;
    reads(&other).context("another workload is disturbed")?;

    order.release()?;
    reads(&suspect)?;
    comes_to_be("what was cut off to be back", || Outside::of(&suspect)?.is_reached_by(&suspect))?;
    stage.nothing_fails_open()
}

/// What a workload has to do with others: a connection that it has made, and a port where it listens.
struct Outside {
    sink: Listener,
    listens_at: SocketAddr,
}

impl Outside {
    fn of(container: &Container) -> Result<Self> {
        let sink = Listener::sink()?;
        container.does("connect-held", &["early", &sink.address().to_string()])?.went_through()?;
        Ok(Self { sink, listens_at: listens(container)? })
    }

    fn is_reached_by(&self, container: &Container) -> Result<()> {
        let before = self.sink.received();
        container.does("send-held", &["early"])?.went_through().context("an open connection")?;
        comes_to_be("a byte to arrive", || {
            ensure!(self.sink.received() > before, "it has not arrived");
            Ok(())
        })?;
        container.does("connect-tcp", &[&self.sink.address().to_string()])?.went_through()?;
        knock(self.listens_at).context("connecting to where it listens").map(drop)
    }

    fn is_cut_from(&self, container: &Container, order: &Order, tier: Tier) -> Result<()> {
        let to = self.sink.address().to_string();
        let before = self.sink.received();
        let sent = container.does("send-held", &["early"]);
        let row = order.row();
        if row.notes.is_empty() {
            // What listened is gone, and what was connected.
            ensure!(row.sockets_destroyed >= 2, "{} sockets were destroyed", row.sockets_destroyed);
            match tier {
                Tier::Lsm => ensure!(sent.is_err(), "its answer has left it over a unix socket"),
                Tier::Trampoline | Tier::Tracepoint => sent?.was_refused_with(Errno::ECONNABORTED)?,
            }
            println!("        SOCK_DESTROY: {} sockets", row.sockets_destroyed);
        } else {
            println!("        this kernel destroys no sockets: {}", row.notes.join("; "));
        }
        for step in ["connect-tcp", "send-udp", "connect-udp"] {
            within(container, step, &[&to])?.was_refused_with(Errno::EPERM)?;
        }
        ensure!(knock(self.listens_at).is_err(), "where it listened somebody was let in");
        if tier != Tier::Lsm {
            let again = listens(container)?;
            ensure!(knock(again).is_err(), "where it listens now somebody was let in");
        }
        ensure!(self.sink.received() == before, "something has left it");
        Ok(())
    }
}

fn listens(container: &Container) -> Result<SocketAddr> {
    let at = container.does("listen-tcp", &[])?.went_through()?;
    at.parse().with_context(|| format!("reading the address {at}"))
}

fn knock(at: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&at, PATIENCE)
}
