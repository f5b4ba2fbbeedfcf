//! Sent without a connection.

use crate::bench::Listener;
use crate::bypass::{Kind, Outcomes, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/udp-unconnected",
    Technique {
        what: "sends by UDP without connecting, out of the program that may read the secret",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::udp4()?.address();
            let contained = attack.contained(Kind::Usual)?;
            attack.on(contained, Trace::Connection(elsewhere.port()), rule::SECRET, || {
                contained.container().does("send-udp", &[&elsewhere.to_string()])
            })
        },
    },
);
