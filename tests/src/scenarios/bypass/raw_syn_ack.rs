//! A segment of the sender's own making that looks like an answer.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/raw-syn-ack",
    Technique {
        what: "sends data in a segment of its own making, with SYN and ACK as who is connected to answers with",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4()?;
            attack.reaches(&elsewhere, "send-syn-ack", &[&elsewhere.address().to_string()])
        },
    },
);
