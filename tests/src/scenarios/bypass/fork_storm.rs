//! More processes than the agent wants to hear of.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique, Trace, as_one, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/fork-storm",
    Technique { what: "opens it once from each of 1,000 processes", outcomes: Outcomes::OPEN, attack: play },
)
.counting(&["over_budget"]);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let storm: &[&[&str]] = &[&["hammer-opens", PASSWORD, "1", "1000"]];
    attack.on(contained, Trace::Access(AccessKind::Open), rule::SECRET, || as_one(contained.attacker(storm)?))
}
