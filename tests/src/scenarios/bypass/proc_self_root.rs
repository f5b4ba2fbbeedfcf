//! Through the link to one's own root.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/proc-self-root",
    Technique {
        what: "goes through /proc/self/root",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["open-root", PASSWORD]]),
    },
);
