//! Over IPv6.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/tcp6",
    Technique {
        what: "connects by TCP over IPv6, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp6()?;
            attack.reaches(&elsewhere, "connect-tcp", &[&elsewhere.address().to_string()])
        },
    },
);
