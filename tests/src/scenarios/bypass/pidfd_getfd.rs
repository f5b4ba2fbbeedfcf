//! A descriptor is taken out of the permitted reader.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/pidfd-getfd",
    Technique {
        what: "copies the descriptor out of the permitted reader by pidfd_getfd",
        outcomes: Outcomes::MEMORY,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let main = attack.stage().contained(Kind::Usual)?.container();
    main.does("hold", &["to-be-taken", PASSWORD])?.went_through()?;
    let number = main.does("number-held", &["to-be-taken"])?.went_through()?;
    attack.touches(AccessKind::Ptrace, rule::MEMORY, &[&["pidfd-getfd", "1", &number, "stolen"]])
}
