//! Code inside the rightful program connects.

use std::net::Ipv4Addr;

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/tcp",
    Technique {
        what: "connects by TCP to another destination, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4_at(Ipv4Addr::new(127, 6, 6, 6))?;
            attack.reaches(&elsewhere, "connect-tcp", &[&elsewhere.address().to_string()])
        },
    },
);
