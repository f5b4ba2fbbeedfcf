//! Another container, that no policy speaks of, sees the workload's processes.

use anyhow::Result;
use cofferdam_model::AccessKind;

use super::unruled::{self, POLICY, Target};
use crate::bypass::{Attack, Came, Outcomes, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/environ-across-unruled",
    Technique {
        what: "opens /proc/<pid>/environ of it from a container that no policy speaks of",
        outcomes: Outcomes::ENVIRONMENT,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let stage = unruled::stage(attack)?;
    let target = Target::new(stage)?;
    let thief = target.neighbour(stage)?;
    attack.by(&thief, Trace::Access(AccessKind::Environ), Some((POLICY, rule::ENVIRONMENT)), || {
        thief.does("open", &["/proc/1/environ"])
    })
}
