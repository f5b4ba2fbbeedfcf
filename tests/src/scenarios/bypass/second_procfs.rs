//! Another procfs mount.

use cofferdam_model::AccessKind;

use crate::bypass::{Outcomes, Technique, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/second-procfs",
    Technique {
        what: "opens the permitted reader's environ through a second procfs",
        outcomes: Outcomes::ENVIRONMENT,
        attack: |attack| {
            attack.touches(AccessKind::Environ, rule::ENVIRONMENT, &[&["open", "/mnt/proc/1/environ"]])
        },
    },
);
