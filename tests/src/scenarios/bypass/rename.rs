//! The secret is given another name.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/rename",
    Technique {
        what: "renames it and opens it by the new name",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            attack.takes_away(&[
                &["rename", "/creds-to-write/..data/other", "/creds-to-write/renamed"],
                &["open", "/creds-to-write/renamed"],
            ])
        },
    },
);
