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

/// Of so many parts of its start, after which the other version is killed, round by round.
const PARTS: u32 = 4;
const KILLED_AFTER: [u32; 3] = [2, 3, 1];

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
    let rounds = thread::scope(|scope| {
        let opens = scope.spawn(|| hammer(&files, "hammer-opens", PASSWORD, &tried, &enough));
        let connects = scope.spawn(|| hammer(&connections, "hammer-connects", &elsewhere, &tried, &enough));
        let is_as_it_was = |agent: &Agent| {
            stage.watched_by(agent).nothing_fails_open()?;
            is_as_it_was(&bound, &free, &elsewhere)
        };
        let is_enough = || {
            tried.load(Ordering::Relaxed) >= stage.attempts() || opens.is_finished() || connects.is_finished()
        };
        let replaced = replace_until(&mut agent, is_enough, is_as_it_was);
        enough.store(true, Ordering::Relaxed);
        for hammered in [opens.join(), connects.join()] {
            hammered.map_err(|_| anyhow!("a thread failed"))??;
        }
        replaced
    })?;
    println!("        {} attempts, {rounds} rounds", tried.load(Ordering::Relaxed));
    bound.serves()?;
    free.serves()?;
    ensure!(refused(&free, &elsewhere)?, "who has read after all is not bound");
    stage.watched_by(&agent).nothing_fails_open()
}

/// Replaces the agent in rounds until it is enough; says how many.
fn replace_until(
    agent: &mut Agent,
    enough: impl Fn() -> bool,
    check: impl Fn(&Agent) -> Result<()> + Copy,
) -> Result<usize> {
    let mut build = Build::This;
    for (round, part) in KILLED_AFTER.iter().cycle().enumerate() {
        let took = there_and_back(agent, build, check)?;
        let finishes = if round % 2 == 0 { build } else { other(build) };
        half_way(agent, other(build), took * *part / PARTS, finishes)
            .and_then(|()| check(agent))
            .with_context(|| {
                format!("{finishes:?}, where the other ended after {part} parts of its start")
            })?;
        build = finishes;
        if enough() {
            return Ok(round + 1);
        }
    }
    Ok(0)
}

/// The other version takes over, and this one again; says how long that took at most.
fn there_and_back(agent: &mut Agent, build: Build, check: impl Fn(&Agent) -> Result<()>) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    for (end, build) in [(End::Asked, other(build)), (End::Killed, build)] {
        let (before, begun) = (agent.only_version()?, Instant::now());
        replace(agent, end, build)?;
        longest = longest.max(begun.elapsed());
        let now = agent.only_version()?;
        ensure!(now != before, "version {now} was to be replaced");
        check(agent).with_context(|| format!("with version {now}, {end:?}"))?;
    }
    Ok(longest)
}

/// Another version is killed while it takes over, and the next agent finishes.
fn half_way(agent: &mut Agent, begins: Build, after: Duration, finishes: Build) -> Result<()> {
    agent.kill()?;
    agent.start_and_kill(begins, after)?;
    agent.start_again_as(finishes)?;
    agent.only_version().map(drop)
}

const fn other(build: Build) -> Build {
    match build {
        Build::This => Build::Next,
        Build::Next => Build::This,
    }
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
