//! The agent stands still.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-stopped",
    Technique { what: "opens it while the agent is stopped", outcomes: Outcomes::OPEN, attack: play },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let agent = attack.stage().agent()?;
    let contained = attack.stage().contained(Kind::Usual)?;
    attack.on(contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        agent.pause()?;
        let reply = contained.attacker(&[&["open", PASSWORD]]);
        agent.go_on()?;
        reply
    })
}
