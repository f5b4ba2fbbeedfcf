//! Through the root of the rightful process.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/proc-sibling-root",
    Technique {
        what: "goes through /proc/<pid>/root of the permitted reader",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["open", "/proc/1/root/etc/creds/password"]]),
    },
);
