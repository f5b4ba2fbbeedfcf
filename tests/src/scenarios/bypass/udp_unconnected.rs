//! Without a connection.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/udp-unconnected",
    Technique {
        what: "sends by UDP without connecting, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::udp4()?;
            attack.reaches(&elsewhere, "send-udp", &[&elsewhere.address().to_string()])
        },
    },
);
