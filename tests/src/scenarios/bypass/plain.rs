//! Another program of the image opens the secret.

use cofferdam_model::AccessKind;

use crate::bypass::{Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/plain",
    Technique {
        what: "opens the secret with another program of the image",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.steps(Trace::Access(AccessKind::Open), rule::SECRET, &[&["open", PASSWORD]]),
    },
);
