//! The permitted reader's memory is read as a file.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, Technique, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/proc-mem",
    Technique {
        what: "reads the permitted reader's memory through /proc/<pid>/mem",
        outcomes: Outcomes::MEMORY,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let main = attack.stage().contained(Kind::Usual)?.container();
    let address = main.does("address", &[])?.went_through()?;
    attack.touches(AccessKind::Ptrace, rule::MEMORY, &[&["read-mem", "1", &address]])
}
