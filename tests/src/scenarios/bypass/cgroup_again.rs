//! The container is gone, and one with its id and its cgroup's name is made.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/cgroup-again",
    Technique {
        what: "opens it in a new container that has the id and the cgroup's name of one that is gone",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.own("again")?.made_again(attack.stage())?;
    attack.on(&contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        contained.attacker(&[&["open", PASSWORD]])
    })
}
