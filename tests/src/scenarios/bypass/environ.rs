//! The neighbour's environment.

use cofferdam_model::AccessKind;

use crate::bypass::{Outcomes, Technique, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/environ",
    Technique {
        what: "opens /proc/<pid>/environ of the permitted reader",
        outcomes: Outcomes::ENVIRONMENT,
        attack: |attack| {
            attack.touches(AccessKind::Environ, rule::ENVIRONMENT, &[&["open", "/proc/1/environ"]])
        },
    },
);
