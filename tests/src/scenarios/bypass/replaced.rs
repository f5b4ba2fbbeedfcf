//! Another file has the permitted reader's name.

use crate::bench::container::ACTOR;
use crate::bench::image::WORKER;
use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/replaced",
    Technique {
        what: "renames a program over a permitted reader and executes it",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[
                &["copy", ACTOR, "/app/new"],
                &["rename", "/app/new", WORKER],
                &["run", WORKER, "do", "open", PASSWORD],
            ];
            attack.opens_as_any_program(ACTOR, steps)
        },
    },
);
