//! A program that was not in the image.

use cofferdam_model::BinaryOrigin;

use crate::bench::container::ACTOR;
use crate::bypass::{Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/written",
    Technique {
        what: "writes a program and executes it",
        outcomes: Outcomes::EXEC,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["copy", ACTOR, "/tmp/tool"], &["run", "/tmp/tool", "do", "pid"]];
            attack.executes(Trace::Program(BinaryOrigin::Written), steps)
        },
    },
);
