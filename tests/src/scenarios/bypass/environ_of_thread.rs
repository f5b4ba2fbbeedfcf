//! The neighbour's environment, by one of its threads.

use cofferdam_model::AccessKind;

use crate::bypass::{Outcomes, Technique, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/environ-of-thread",
    Technique {
        what: "opens /proc/<pid>/task/<tid>/environ of the permitted reader",
        outcomes: Outcomes::ENVIRONMENT,
        attack: |attack| {
            attack.touches(AccessKind::Environ, rule::ENVIRONMENT, &[&["open", "/proc/1/task/1/environ"]])
        },
    },
);
