//! A program that is in memory only, where nothing is said of programs.

use crate::bench::container::ACTOR;
use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/memfd-any",
    Technique {
        what: "executes a memfd where no rule speaks of programs, and opens it",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["run-memfd", ACTOR, "do", "open", PASSWORD]];
            attack.opens_as_any_program(ACTOR, steps)
        },
    },
);
