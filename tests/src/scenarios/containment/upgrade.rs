//! The agent is replaced by another version, with other programs whose tables have grown, and back again, while what is
//! denied is tried again and again: nothing passes, who has read stays bound, who has not stays free, and nothing of the
//! other version is left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::errno::Errno;

use super::hammer::hammer;
use crate::bench::container::ACTOR;
use crate::bench::{Agent, AgentOptions, Build, Listener};
use crate::bypass::{Contained, Destination, Kind, PASSWORD};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario =
    Scenario::new("containment/upgrade", PerTier::SEEN, play).counting(&["over_budget"]);

/// How one agent ends, and which begins.
const REPLACED: &[(End, Build)] = &[
    (End::Asked, Build::Next),
    (End::Killed, Build::This),
    (End::Killed, Build::Next),
    (End::Asked, Build::This),
];

/// At so many parts of its start the other version is killed.
const PARTS: u32 = 4;

/// How an agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Asked,
    Killed,
}

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let under = |agent: &Agent, of| {
        Contained::new(&stage.watched_by(agent), agent, Kind::Usual, Destination::Address, of)
    };
    let (bound, free) = (under(&agent, "upgraded")?, under(&agent, "upgraded-free")?);
    bound.serves()?;
    let listener = Listener::tcp4()?;
    let elsewhere = listener.address().to_string();
    // Opens where nobody may read: if one that is refused counted as read, it would be bound.
    let (files, connections) = (free.container().starts(ACTOR)?, bound.container().starts(ACTOR)?);
    let (tried, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let opens = scope.spawn(|| hammer(&files, "hammer-opens", PASSWORD, &tried, &enough));
        let connects = scope.spawn(|| hammer(&connections, "hammer-connects", &elsewhere, &tried, &enough));
        let is_as_it_was = |agent: &Agent| {
            stage.watched_by(agent).nothing_fails_open()?;
            is_as_it_was(&bound, &free, &elsewhere)
        };
        let replaced = there_and_back(&mut agent, is_as_it_was)
            .and_then(|took| half_way_and_back(&mut agent, took, is_as_it_was));
        enough.store(true, Ordering::Relaxed);
        for hammered in [opens.join(), connects.join()] {
            hammered.map_err(|_| anyhow!("a thread failed"))??;
        }
        replaced
    })?;
    println!("        {} attempts", tried.load(Ordering::Relaxed));
    bound.serves()?;
    free.serves()?;
    ensure!(refused(&free, &elsewhere)?, "who has read after all is not bound");
    stage.watched_by(&agent).nothing_fails_open()
}

/// Each version takes over from the other; says how long that took at most.
fn there_and_back(agent: &mut Agent, check: impl Fn(&Agent) -> Result<()>) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    for (end, build) in REPLACED {
        let (before, begun) = (agent.only_version()?, Instant::now());
        replace(agent, *end, *build)?;
        longest = longest.max(begun.elapsed());
        let now = agent.only_version()?;
        ensure!(now != before, "version {now} was to be replaced");
        check(agent).with_context(|| format!("with version {now}, {end:?}"))?;
    }
    Ok(longest)
}

/// The next version is killed while it takes over, and another agent finishes.
fn half_way_and_back(agent: &mut Agent, took: Duration, check: impl Fn(&Agent) -> Result<()>) -> Result<()> {
    for part in 1..PARTS {
        agent.kill()?;
        agent.start_and_kill(Build::Next, took * part / PARTS)?;
        let finishes = if part % 2 == 0 { Build::Next } else { Build::This };
        agent.start_again_as(finishes).with_context(|| format!("{finishes:?} after part {part}"))?;
        agent.only_version()?;
        check(agent).with_context(|| format!("{finishes:?} after part {part}"))?;
    }
    Ok(())
}

fn replace(agent: &mut Agent, end: End, build: Build) -> Result<()> {
    match end {
        End::Asked => agent.quit().map(drop)?,
        End::Killed => agent.kill()?,
    }
    agent.start_again_as(build).with_context(|| format!("starting {build:?}"))
}

/// Who has read is bound although it has not read again, and who has not goes where it likes.
fn is_as_it_was(bound: &Contained, free: &Contained, elsewhere: &str) -> Result<()> {
    ensure!(refused(bound, elsewhere)?, "who has read is not bound any more");
    ensure!(!refused(free, elsewhere)?, "who has read nothing is bound");
    let to = bound.permitted().address().to_string();
    bound
        .container()
        .does("connect-tcp", &[&to])?
        .went_through()
        .context("the permitted destination")
        .map(drop)
}

/// Whether the permitted reader may not go there.
fn refused(contained: &Contained, to: &str) -> Result<bool> {
    let reply = contained.container().does("connect-tcp", &[to])?;
    ensure!(reply.ok || reply.errno == Some(Errno::EPERM as i32), "connecting: {}", reply.output);
    Ok(!reply.ok)
}
