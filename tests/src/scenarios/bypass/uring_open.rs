//! Without a system call for the open.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/uring-open",
    Technique {
        what: "opens it through io_uring",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["open-uring", PASSWORD]]),
    },
);
