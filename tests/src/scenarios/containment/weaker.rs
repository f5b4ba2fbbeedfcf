//! The agent is started again where the lsm tier does not work any more. It would enforce less than the programs that the
//! agent before it has left: it does not take their place, and what they refuse stays refused.

use anyhow::{Result, ensure};
use cofferdam_api::Tier;
use nix::errno::Errno;

use crate::bench::{AgentOptions, Listener};
use crate::bypass::{Contained, Destination, Kind};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/weaker", PerTier::SEEN, play);

fn play(stage: &Stage<'_>) -> Result<()> {
    let mut agent = stage.own_agent(&AgentOptions::default())?;
    let bound =
        Contained::new(&stage.watched_by(&agent), &agent, Kind::Usual, Destination::Address, "weaker")?;
    bound.serves()?;
    let elsewhere = Listener::tcp4()?;
    let is_bound = |when: &str| -> Result<()> {
        let reply = bound.container().does("connect-tcp", &[&elsewhere.address().to_string()])?;
        ensure!(reply.errno == Some(Errno::EPERM as i32), "{when} it may go elsewhere: {}", reply.output);
        Ok(())
    };
    is_bound("before")?;

    agent.kill()?;
    let ended = agent.start_again_where_lsm_is_off()?;
    if stage.tier() == Tier::Lsm {
        let told = ended.unwrap_or_else(|| "it runs".to_owned());
        ensure!(told.contains("the one before it enforces by it, and goes on to"), "{told}");
        is_bound("without an agent")?;
        agent.start_again()?;
    } else {
        ensure!(ended.is_none(), "it has ended, and was no weaker than before: {ended:?}");
    }
    is_bound("afterwards")?;
    bound.serves()?;
    stage.watched_by(&agent).nothing_fails_open()
}
