//! So much happens that the agent cannot keep up.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bench::wait::Look;
use crate::bench::{AgentOptions, until};
use crate::bypass::{Attack, Came, Destination, Outcomes, PASSWORD, Technique, Trace, as_one, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/rings-full",
    Technique {
        what: "opens it from 8,000 processes while the agent is stopped and its rings are full",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
)
.counting(&["over_budget", "ring_full", "lost"]);

/// Programs that a workload may begin, and things that it may touch, without being only counted.
const BUDGET: u64 = 1_000_000;

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let options =
        AgentOptions { budget: Some(BUDGET), process_budget: Some(BUDGET), ..AgentOptions::default() };
    let agent = attack.stage().own_agent(&options)?;
    let stage = attack.stage().watched_by(&agent);
    let attack = attack.told_by(&stage);
    let contained = attack.own_under(&agent, "flooded", Destination::Address)?;
    let flood: &[&[&str]] = &[&["hammer-opens", PASSWORD, "1", "8000"]];
    attack.on(&contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        agent.pause()?;
        let reply = contained.attacker(flood);
        agent.go_on()?;
        let reply = as_one(reply?)?;
        until("the rings to have been full", || {
            let full = stage.ledger()?.counted("ring_full") > 0;
            Ok(if full { Look::Found(()) } else { Look::NotYet("they had room for everything".to_owned()) })
        })?;
        Ok(reply)
    })
}
