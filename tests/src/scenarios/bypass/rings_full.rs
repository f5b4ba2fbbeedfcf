//! So much happens that the agent cannot keep up.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bench::AgentOptions;
use crate::bypass::{Attack, Came, Destination, Outcomes, PASSWORD, Technique, Trace, as_one, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/rings-full",
    Technique {
        what: "opens it from 1,000 processes while the agent is stopped and its rings are full",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
)
.counting(&["over_budget"]);

/// Programs that a workload may begin, and things that it may touch, without being only counted.
const BUDGET: u64 = 1_000_000;

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let options =
        AgentOptions { budget: Some(BUDGET), process_budget: Some(BUDGET), ..AgentOptions::default() };
    let agent = attack.stage().own_agent(&options)?;
    let stage = attack.stage().watched_by(&agent);
    let attack = attack.told_by(&stage);
    let contained = attack.own_under(&agent, "flooded", Destination::Address)?;
    let flood: &[&[&str]] = &[&["hammer-opens", PASSWORD, "20", "1000"]];
    attack.on(&contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        agent.pause()?;
        let reply = contained.attacker(flood);
        agent.go_on()?;
        as_one(reply?)
    })
}
