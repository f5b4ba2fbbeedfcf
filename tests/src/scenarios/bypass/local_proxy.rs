//! Through somebody else who may go further.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/local-proxy",
    Technique {
        what: "connects to a proxy on loopback, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4()?;
            attack.reaches(&elsewhere, "connect-tcp", &[&elsewhere.address().to_string()])
        },
    },
);
