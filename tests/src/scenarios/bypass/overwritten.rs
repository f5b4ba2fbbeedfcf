//! The permitted reader is not what it was.

use crate::bench::container::ACTOR;
use crate::bench::image::WORKER;
use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/overwritten",
    Technique {
        what: "overwrites a permitted reader and executes it",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["copy", ACTOR, WORKER], &["run", WORKER, "do", "open", PASSWORD]];
            attack.opens_as_any_program(ACTOR, steps)
        },
    },
);
