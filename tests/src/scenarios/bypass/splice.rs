//! The kernel moves the bytes through a pipe, without a read.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/splice",
    Technique {
        what: "moves the secret by splice to a connection from before the read",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| attack.leaves_early_connection("splice", "splice", &["secret", "early"]),
    },
);
