//! Every hook counts the events that it has sent: one for what is told, none for what this tier does not see. What the
//! host does beside the scenario is counted as well, so one quiet attempt of a few is enough.

use anyhow::{Context, Result, bail, ensure};
use cofferdam_api::Tier;

use crate::bench::{AgentOptions, Listener};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("life/events-by-hook", PerTier::SEEN, play);

const ATTEMPTS: u32 = 10;

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = stage.watched_by(&agent);
    let creds = stage.volume("counted-creds", &["password"])?;
    let shared = stage.shared_folder("counted")?;
    let container = || stage.container().with_secret(&creds, "/etc/creds").with_writable(&shared, "/shared");
    let app = container().with_capability("CAP_SYS_PTRACE").start()?;
    let child_does = |step: &str, args: &[&str]| app.child_does(step, args)?.went_through().map(drop);
    let (tcp, udp) = (Listener::tcp4()?, Listener::udp4()?);
    let (tcp, udp) = (tcp.address().to_string(), udp.address().to_string());
    let address = app.does("address", &[])?.went_through()?;
    app.does("hold", &["it", "/etc/creds/password"])?.went_through()?;

    // A new process each time: what one process repeats is counted, and not sent again.
    let password = "/etc/creds/password";
    sends(&stage, "open", 1, || child_does("open", &[password]))?;
    sends(&stage, "connect", 1, || child_does("connect-tcp", &[&tcp]))?;
    sends(&stage, "send", 1, || child_does("send-udp", &[&udp]))?;

    let with_lsm = u64::from(stage.tier() == Tier::Lsm);
    sends(&stage, "mmap", with_lsm, || child_does("open-mmap", &[password]))?;
    sends(&stage, "ptrace", with_lsm, || child_does("vm-read", &["1", &address]))?;
    sends(&stage, "receive", with_lsm, || {
        let thief = container().start()?;
        let socket = format!("/shared/{}", &thief.id()[..12]);
        thief.does("listen-fd", &[&socket])?.went_through()?;
        app.does("send-fd", &["it", &socket])?.went_through()?;
        thief.does("receive-fd", &[&socket, "it"])?.went_through().map(drop)
    })?;

    // The whole host forks, so that there is no quiet moment.
    let before = stage.ledger_by_now()?;
    drop(container().start()?);
    let after = stage.ledger_by_now()?;
    for hook in ["fork", "exec", "exit", "cgroup", "attach"] {
        let (before, after) = (before.sent_by(hook), after.sent_by(hook));
        ensure!(
            before < after,
            "`{hook}` has sent {before:?} events, and after a container's life {after:?}"
        );
    }
    stage.nothing_was_lost()
}

/// Done once, this has the hook send so many events.
fn sends(stage: &Stage<'_>, hook: &str, wanted: u64, act: impl Fn() -> Result<()>) -> Result<()> {
    let sent = || stage.ledger_by_now()?.sent_by(hook).with_context(|| format!("no count of `{hook}`"));
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = sent()?;
        act()?;
        let more = sent()? - before;
        ensure!(more >= wanted, "`{hook}` has sent {more} events and not {wanted}");
        if more == wanted {
            return Ok(());
        }
        seen.push(more);
    }
    bail!("`{hook}` never sent {wanted}, but {seen:?}")
}
