//! Hidden in questions to the node's own resolver, which must stay reachable.

use anyhow::Result;

use crate::bench::agent::RESOLVER;
use crate::bypass::{Answer, Attack, Came, Kind, Outcome, Outcomes, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/resolver-tunnel",
    Technique {
        what: "hides it in questions to the configured resolver, out of the permitted reader",
        outcomes: Outcomes::everywhere(Outcome::Detected(Answer::Connections)),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    attack.on(contained, Trace::Connection(RESOLVER.port()), rule::SECRET, || {
        contained.container().does("send-udp", &[&RESOLVER.to_string()])
    })
}
