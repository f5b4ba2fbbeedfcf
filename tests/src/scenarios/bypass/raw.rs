//! A packet of the sender's own making, over IP.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/raw",
    Technique {
        what: "sends a packet of its own making over a raw socket, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::udp4()?;
            attack.reaches(&elsewhere, "send-raw", &[&elsewhere.address().to_string()])
        },
    },
);
