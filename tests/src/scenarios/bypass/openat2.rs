//! With another way to resolve paths.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/openat2",
    Technique {
        what: "opens it by openat2 with RESOLVE_IN_ROOT",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["openat2", PASSWORD, "in-root"]]),
    },
);
