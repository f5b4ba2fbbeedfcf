//! With another root.

use crate::bypass::{Outcomes, SECRET_AT, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/chroot",
    Technique {
        what: "changes its root to the folder and opens it there",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["chroot", SECRET_AT], &["open", "/password"]]),
    },
);
