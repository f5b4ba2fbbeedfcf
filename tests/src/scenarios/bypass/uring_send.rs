//! Without a system call for the send.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/uring-send",
    Technique {
        what: "sends through io_uring over a connection from before the read",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| attack.leaves_early_connection("uring-send", "send-uring", &["early"]),
    },
);
