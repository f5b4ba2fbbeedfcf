//! Another container, that no policy speaks of, reaches into the workload's processes.

use anyhow::Result;
use cofferdam_model::AccessKind;

use super::unruled::{self, POLICY, Target};
use crate::bypass::{Attack, Came, Outcomes, Technique, Trace, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/memory-across-unruled",
    Technique {
        what: "reads its memory by process_vm_readv from a container that no policy speaks of",
        outcomes: Outcomes::MEMORY,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let stage = unruled::stage(attack)?;
    let target = Target::new(stage)?;
    let thief = target.neighbour(stage)?;
    let address = target.container.does("address", &[])?.went_through()?;
    attack.by(&thief, Trace::Access(AccessKind::Ptrace), Some((POLICY, rule::MEMORY)), || {
        thief.does("vm-read", &["1", &address])
    })
}
