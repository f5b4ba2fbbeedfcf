//! Over several paths at once.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/mptcp",
    Technique {
        what: "connects by MPTCP, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4()?;
            attack.reaches(&elsewhere, "connect-mptcp", &[&elsewhere.address().to_string()])
        },
    },
);
