//! The connection is made inside a send.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/fast-open",
    Technique {
        what: "connects by TCP fast open, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4()?;
            attack.reaches(&elsewhere, "fast-open", &[&elsewhere.address().to_string()])
        },
    },
);
