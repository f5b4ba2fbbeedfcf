//! Code inside the rightful program connects.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/tcp",
    Technique {
        what: "connects by TCP to another destination, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4()?;
            attack.reaches(&elsewhere, "connect-tcp", &[&elsewhere.address().to_string()])
        },
    },
);
