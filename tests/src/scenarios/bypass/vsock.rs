//! To the host of a virtual machine.

use cofferdam_model::AttemptKind;

use crate::bypass::{Kind, Outcome, Outcomes, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/vsock",
    Technique {
        what: "makes a vsock socket, out of the permitted reader",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no cgroup program sees vsock")),
        attack: |attack| {
            let contained = attack.stage().contained(Kind::Usual)?;
            let main = contained.container();
            attack.on(contained, Trace::Attempt(AttemptKind::Socket), rule::SECRET, || {
                main.does("make-vsock", &[])
            })
        },
    },
);
