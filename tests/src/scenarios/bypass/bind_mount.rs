//! The folder is mounted elsewhere, in a namespace of the attacker's own.

use crate::bypass::{Outcomes, SECRET_AT, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/bind-mount",
    Technique {
        what: "binds the folder elsewhere in a user namespace and opens it there",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            attack.opens(&[
                &["unshare", "user,mount"],
                &["bind", SECRET_AT, "/mnt"],
                &["open", "/mnt/password"],
            ])
        },
    },
);
