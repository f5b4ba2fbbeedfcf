//! In another cgroup.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/migration",
    Technique {
        what: "moves itself to a cgroup beside the container's and opens it",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["nest", "/cgroups/beside"], &["open", PASSWORD]]),
    },
);
