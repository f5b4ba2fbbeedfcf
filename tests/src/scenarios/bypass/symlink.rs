//! The secret has another name.

use cofferdam_model::AccessKind;

use crate::bypass::{Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

const LINK: &str = "/tmp/link";

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/symlink",
    Technique {
        what: "opens a symbolic link to the secret",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["symlink", PASSWORD, LINK], &["open", LINK]];
            attack.steps(Trace::Access(AccessKind::Open), rule::SECRET, steps)
        },
    },
);
