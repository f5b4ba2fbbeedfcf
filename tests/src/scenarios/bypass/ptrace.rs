//! The permitted reader is taken hold of.

use cofferdam_model::AccessKind;

use crate::bypass::{Outcomes, Technique, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/ptrace",
    Technique {
        what: "traces the permitted reader",
        outcomes: Outcomes::MEMORY,
        attack: |attack| attack.touches(AccessKind::Ptrace, rule::MEMORY, &[&["ptrace", "1"]]),
    },
);
