//! In namespaces that the attacker has entered.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/setns",
    Technique {
        what: "enters the user and mount namespace of its child and opens it there",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["enter-namespaces"], &["open", PASSWORD]]),
    },
);
