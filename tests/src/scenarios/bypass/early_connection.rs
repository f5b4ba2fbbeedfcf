//! A connection that was opened before the secret was read.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/early-connection",
    Technique {
        what: "sends over a connection from before the read",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| attack.leaves_early_connection("early", "copy-held", &["secret", "early"]),
    },
);
