//! The agent is dead.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bench::AgentOptions;
use crate::bypass::{Attack, Came, Destination, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-killed",
    Technique { what: "opens it while the agent is dead", outcomes: Outcomes::OPEN, attack: play },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let mut agent = attack.stage().own_agent(&AgentOptions::default())?;
    let contained = {
        let stage = attack.stage().watched_by(&agent);
        attack.told_by(&stage).own_under(&agent, "killed", Destination::Address)?
    };
    let witness = {
        let stage = attack.stage().watched_by(&agent);
        attack.told_by(&stage).watches(contained.container(), Trace::Access(AccessKind::Open))?
    };
    agent.kill()?;
    let reply = contained.attacker(&[&["open", PASSWORD]])?;
    agent.start_again()?;
    let decider = Some((contained.policy().name(), rule::SECRET));
    let stage = attack.stage().watched_by(&agent);
    attack.told_by(&stage).judges(&witness, contained.container(), decider, &reply)
}
