//! Without a system call for the connect.

use crate::bench::Listener;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/uring-connect",
    Technique {
        what: "connects through io_uring, out of the permitted reader",
        outcomes: Outcomes::DESTINATION,
        attack: |attack| {
            let elsewhere = Listener::tcp4()?;
            attack.reaches(&elsewhere, "connect-uring", &[&elsewhere.address().to_string()])
        },
    },
);
