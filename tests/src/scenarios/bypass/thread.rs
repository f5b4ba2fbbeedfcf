//! In a thread.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/thread",
    Technique {
        what: "opens it in a thread",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["open-in-thread", PASSWORD]]),
    },
);
