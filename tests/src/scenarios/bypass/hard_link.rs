//! The secret has a second name of its own.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/hard-link",
    Technique {
        what: "opens a hard link to it",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            attack.takes_away(&[
                &["link", "/creds-to-write/..data/password", "/creds-to-write/linked"],
                &["open", "/creds-to-write/linked"],
            ])
        },
    },
);
