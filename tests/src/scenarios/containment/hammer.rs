//! Four processes at once do again and again what is denied, while the agent is killed and started: nothing passes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::bench::container::ACTOR;
use crate::bench::{Agent, AgentOptions, Helper, Listener};
use crate::bypass::{Contained, Destination, Kind, PASSWORD, as_one};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario =
    Scenario::new("containment/hammer", PerTier::SEEN, play).counting(&["over_budget"]);

/// How often the agent is killed at least.
const KILLS: u32 = 2;
/// What two processes do, each, between two looks at whether it is enough.
const ROUND: u64 = 2_500;

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let contained =
        Contained::new(&stage.watched_by(&agent), &agent, Kind::Usual, Destination::Address, "hammered")?;
    contained.serves()?;
    let listener = Listener::tcp4()?;
    let elsewhere = listener.address().to_string();
    let (files, connections) = (contained.container().starts(ACTOR)?, contained.container().starts(ACTOR)?);
    let (tried, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let wanted = stage.attempts();
    let kills = thread::scope(|scope| {
        let opens = scope.spawn(|| hammer(&files, "hammer-opens", PASSWORD, &tried, &enough));
        let connects = scope.spawn(|| hammer(&connections, "hammer-connects", &elsewhere, &tried, &enough));
        let kills = kill_until(&mut agent, || tried.load(Ordering::Relaxed) >= wanted || opens.is_finished());
        enough.store(true, Ordering::Relaxed);
        for hammered in [opens.join(), connects.join()] {
            hammered.map_err(|_| anyhow!("a thread failed"))??;
        }
        kills
    })?;
    println!("        {} attempts, the agent killed {kills} times", tried.load(Ordering::Relaxed));
    stage.watched_by(&agent).nothing_fails_open()
}

/// Kills the agent and starts it again, until it is enough; says how often.
fn kill_until(agent: &mut Agent, enough: impl Fn() -> bool) -> Result<u32> {
    let mut kills = 0;
    while kills < KILLS || !enough() {
        agent.kill()?;
        agent.start_again().context("starting the agent again")?;
        kills += 1;
    }
    Ok(kills)
}

/// Has two processes do the same until it is enough. None of it may go through.
pub(super) fn hammer(
    by: &Helper,
    step: &str,
    to: &str,
    tried: &AtomicU64,
    enough: &AtomicBool,
) -> Result<()> {
    while !enough.load(Ordering::Relaxed) {
        let reply = as_one(by.does(step, &[to, &ROUND.to_string(), "2"])?)?;
        ensure!(!reply.ok, "{step}: {}", reply.output);
        tried.fetch_add(2 * ROUND, Ordering::Relaxed);
    }
    Ok(())
}
