//! In a process without parent and session.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/daemon",
    Technique {
        what: "forks twice, makes a session, and opens it when its parent has ended",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["in-daemon", "open", PASSWORD]]),
    },
);
