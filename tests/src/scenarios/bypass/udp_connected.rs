//! Over a connected socket of UDP.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/udp-connected",
    Technique {
        what: "connects and sends by UDP, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::udp4()?;
            attack.reaches(&elsewhere, "connect-udp", &[&elsewhere.address().to_string()])
        },
    },
);
