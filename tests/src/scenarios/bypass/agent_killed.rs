//! The agent is dead.

use anyhow::{Result, ensure};
use cofferdam_model::{AccessKind, EnforcedBy};

use crate::bench::image::SERVER;
use crate::bench::{AgentOptions, Listener};
use crate::bypass::{Attack, Came, Destination, Outcome, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-killed",
    Technique {
        what: "opens it while the agent is dead; has the permitted reader carry it out meanwhile",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let mut agent = attack.stage().own_agent(&AgentOptions::default())?;
    let elsewhere = Listener::tcp4()?.address();
    let (contained, opened, left) = {
        let stage = attack.stage().watched_by(&agent);
        let attack = attack.told_by(&stage);
        let contained = attack.own_under(&agent, "killed", Destination::Address)?;
        let opened = attack.watches(contained.container(), Trace::Access(AccessKind::Open))?;
        let left = attack.watches(contained.container(), Trace::Connection(elsewhere.port()))?;
        (contained, opened, left)
    };
    agent.kill()?;
    let open = contained.attacker(&[&["open", PASSWORD]])?;
    let leave = contained.runs(SERVER, &[&["open", PASSWORD], &["connect-tcp", &elsewhere.to_string()]])?;
    agent.start_again()?;
    let (container, decider) = (contained.container(), Some((contained.policy().name(), rule::SECRET)));
    let stage = attack.stage().watched_by(&agent);
    let attack = attack.told_by(&stage);
    let came = attack.judges(&left, container, decider, &leave)?;
    ensure!(came == Outcome::Denied(EnforcedBy::Cgroup), "carrying it out was {came}");
    attack.judges(&opened, container, decider, &open)
}
