//! Somebody who may detaches programs of the agent from the root cgroup: they are attached again, and it is told.

use std::fs;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;

use crate::actor::{Hands, take};
use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Listener, until};
use crate::bypass::{Contained, Destination, Kind};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("life/detached", PerTier::SEEN, play);

/// Programs of the three types that a cgroup has.
const DETACHED: &[&str] = &["connect4", "packet_out", "socket_event"];

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = stage.watched_by(&agent);
    let contained = Contained::new(&stage, &agent, Kind::Usual, Destination::Address, "detached")?;
    contained.serves()?;
    let elsewhere = Listener::sink()?;
    let address = elsewhere.address().to_string();
    let connects = || contained.container().does("connect-tcp", &[&address]);
    connects()?.was_refused_with(Errno::EPERM)?;
    for program in DETACHED {
        detach(&agent, program)?;
    }
    let wanted = DETACHED.len() as u64;
    until("the agent to tell of it", || {
        let count = detached(&agent)?;
        Ok(if count == wanted { Look::Found(()) } else { Look::NotYet(format!("it counts {count}")) })
    })?;
    connects()?.was_refused_with(Errno::EPERM).context("after it was attached again")?;
    // What is pinned is what is attached: also the next agent finds it, and leaves one of each.
    agent.only_version()?;
    Ok(())
}

/// Takes hold of a link by its pin, and detaches it.
fn detach(agent: &Agent, program: &str) -> Result<()> {
    let folder = agent.pins().join(agent.only_version()?).join("links");
    let generation = fs::read_dir(&folder).context("reading the links")?.flatten().next();
    let pin = generation.context("nothing is attached")?.path().join(program);
    let mut hands = Hands::default();
    for (step, args) in [
        ("bpf-get", vec!["link".to_owned(), pin.display().to_string()]),
        ("bpf-detach", vec!["link".to_owned()]),
    ] {
        let reply = take(step, &args, &mut hands);
        ensure!(reply.ok, "the host cannot do {step} of {}: {reply:?}", pin.display());
    }
    Ok(())
}

/// How often the agent has found a program detached.
fn detached(agent: &Agent) -> Result<u64> {
    let status = agent.asked(|answers| answers.policy_status())?;
    Ok(status
        .fail_open
        .iter()
        .filter(|counter| counter.name == "detached")
        .map(|counter| counter.count)
        .sum())
}
