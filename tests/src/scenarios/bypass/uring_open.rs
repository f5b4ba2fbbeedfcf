//! Without a system call for the open.

use crate::bypass::{Outcome, Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/uring-open",
    Technique {
        what: "opens it through io_uring",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no system call of its own")),
        attack: |attack| attack.opens(&[&["open-uring", PASSWORD]]),
    },
);
