//! Another program of the image opens the secret.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/plain",
    Technique {
        what: "opens the secret with another program of the image",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["open", PASSWORD]]),
    },
);
