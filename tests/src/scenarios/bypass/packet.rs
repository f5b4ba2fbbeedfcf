//! A packet of the sender's own making, straight to the device.

use cofferdam_model::AttemptKind;

use crate::bypass::{Kind, Outcome, Outcomes, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/packet",
    Technique {
        what: "sends a packet of its own making over a packet socket, out of the permitted reader",
        outcomes: Outcomes::lsm_or(Outcome::Missed(
            "no cgroup program sees packet sockets (they need CAP_NET_RAW)",
        )),
        attack: |attack| {
            let contained = attack.stage().contained(Kind::Usual)?;
            let main = contained.container();
            attack.on(contained, Trace::Attempt(AttemptKind::Socket), rule::SECRET, || {
                main.does("send-packet", &["127.0.0.1:9"])
            })
        },
    },
);
