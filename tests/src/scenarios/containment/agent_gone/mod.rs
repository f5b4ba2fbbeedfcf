//! The agent is killed and started again: orders and policies hold meanwhile, what is to end ends at its time, and what
//! starts meanwhile is not let in before it is known.

mod exception;
mod order;
mod pending;
mod release_after;
mod unconfirmed;

use anyhow::{Context, Result};

use super::kit;
use crate::bench::AgentOptions;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/agent-gone", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let options = AgentOptions { pending_denied: true, ..AgentOptions::default() };
    let mut agent = stage.own_agent(&options)?;
    let (orders, excepted, unconfirmed, releasing, unknown) = {
        let stage = stage.watched_by(&agent);
        let releasing = release_after::Releasing::begin(&stage).context("a rule that is released")?;
        let unknown = pending::Unknown::begin(&stage).context("a workload that nobody knows")?;
        // What takes long first: the times of these must not be over before the agent is.
        let unconfirmed = unconfirmed::Workloads::new(&stage).context("what is not confirmed")?;
        let excepted = exception::Workload::new(&stage).context("an exception")?;
        let orders = order::Workloads::new(&stage).context("orders")?;
        let unconfirmed = unconfirmed.begin(&stage).context("what is not confirmed")?;
        let excepted = excepted.begin(&stage).context("an exception")?;
        let orders = orders.begin(&stage).context("orders")?;
        (orders, excepted, unconfirmed, releasing, unknown)
    };
    agent.kill()?;
    orders.hold_meanwhile().context("orders while the agent is dead")?;
    excepted.ends_meanwhile().context("an exception while the agent is dead")?;
    unconfirmed.holds_meanwhile().context("what is not confirmed while the agent is dead")?;
    releasing.is_released_meanwhile().context("a rule that is released while the agent is dead")?;
    let unknown = unknown.meanwhile(stage).context("a newborn workload while the agent is dead")?;

    agent.start_again()?;
    let stage = stage.watched_by(&agent);
    orders.hold_afterwards(&stage).context("orders after the restart")?;
    excepted.has_ended(&stage).context("an exception after the restart")?;
    unconfirmed.rolls_back(&stage).context("what was not confirmed after the restart")?;
    releasing.holds_again(&stage).context("a rule that was released, after the restart")?;
    unknown.becomes_known(&stage).context("a newborn workload after the restart")
}
