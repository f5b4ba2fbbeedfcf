//! The permitted reader's memory is read by a system call.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, Technique, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/process-vm-readv",
    Technique {
        what: "reads the permitted reader's memory by process_vm_readv",
        outcomes: Outcomes::MEMORY,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let main = attack.stage().contained(Kind::Usual)?.container();
    let address = main.does("address", &[])?.went_through()?;
    attack.touches(AccessKind::Ptrace, rule::MEMORY, &[&["vm-read", "1", &address]])
}
