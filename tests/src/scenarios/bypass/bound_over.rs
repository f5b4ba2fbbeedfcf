//! Another program of the image is bound over the permitted reader.

use crate::bench::container::ACTOR;
use crate::bench::image::WORKER;
use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bound-over",
    Technique {
        what: "binds a program over a permitted reader in a user namespace, and executes that path",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["run-bound-over", ACTOR, WORKER, "do", "open", PASSWORD]];
            attack.opens_as_any_program(ACTOR, steps)
        },
    },
);
