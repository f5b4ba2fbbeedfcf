//! Out of band.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/out-of-band",
    Technique {
        what: "sends by MSG_OOB over a connection from before the read",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| attack.leaves_early_connection("oob", "send-held", &["early", "oob"]),
    },
);
