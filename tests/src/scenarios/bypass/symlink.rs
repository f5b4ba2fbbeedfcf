//! The secret has another name.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/symlink",
    Technique {
        what: "opens a symbolic link to it",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["symlink", PASSWORD, "/tmp/link"], &["open", "/tmp/link"]]),
    },
);
