//! Hidden in questions to a name server of the attacker's.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/dns-tunnel",
    Technique {
        what: "sends questions to a name server of its own, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::udp4()?;
            attack.reaches(&elsewhere, "send-udp", &[&elsewhere.address().to_string()])
        },
    },
);
