//! A descriptor that opens nothing is opened again.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/proc-self-fd",
    Technique {
        what: "opens it with O_PATH, then again through /proc/self/fd",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["hold", "it", PASSWORD, "path"], &["reopen", "it"]]),
    },
);
