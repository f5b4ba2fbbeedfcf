//! In a child that shares memory.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/vfork",
    Technique {
        what: "opens it in a child made by vfork",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["open-vfork", PASSWORD]]),
    },
);
