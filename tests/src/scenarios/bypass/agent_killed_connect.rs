//! The agent is dead.

use anyhow::Result;

use crate::bench::image::SERVER;
use crate::bench::{AgentOptions, Listener};
use crate::bypass::{Attack, Came, Destination, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-killed-connect",
    Technique {
        what: "carries it out while the agent is dead",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let mut agent = attack.stage().own_agent(&AgentOptions::default())?;
    let elsewhere = Listener::tcp4()?;
    let trace = Trace::Connection(elsewhere.address().port());
    let (contained, witness) = {
        let stage = attack.stage().watched_by(&agent);
        let attack = attack.told_by(&stage);
        let contained = attack.own_under(&agent, "killed-too", Destination::Address)?;
        let witness = attack.watches(contained.container(), trace)?;
        (contained, witness)
    };
    agent.kill()?;
    let to = elsewhere.address().to_string();
    let reply = contained.runs(SERVER, &[&["open", PASSWORD], &["connect-tcp", &to]])?;
    agent.start_again()?;
    let decider = Some((contained.policy().name(), rule::SECRET));
    let stage = attack.stage().watched_by(&agent);
    attack.told_by(&stage).judges(&witness, contained.container(), decider, &reply)
}
