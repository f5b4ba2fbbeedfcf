//! The kernel moves the bytes, without a read.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/sendfile",
    Technique {
        what: "moves the secret by sendfile to a connection from before the read",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| attack.leaves_early_connection("sendfile", "sendfile", &["secret", "early"]),
    },
);
