//! An IPv6 socket reaches an IPv4 address.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/mapped-address",
    Technique {
        what: "connects to the destination as IPv4-mapped IPv6, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4()?;
            attack.reaches(
                &elsewhere,
                "connect-tcp",
                &[&format!("[::ffff:127.0.0.1]:{}", elsewhere.address().port())],
            )
        },
    },
);
