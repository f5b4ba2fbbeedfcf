//! A program that is in memory only.

use cofferdam_model::BinaryOrigin;

use crate::bench::container::ACTOR;
use crate::bypass::{Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/memfd",
    Technique {
        what: "executes a program from a memfd by execveat",
        outcomes: Outcomes::EXEC,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["run-memfd", ACTOR, "do", "pid"]];
            attack.executes(Trace::Program(BinaryOrigin::Memfd), steps)
        },
    },
);
