//! The permitted reader lets itself be taken hold of, before it is what it is.

use cofferdam_model::AccessKind;

use crate::bench::image::SERVER;
use crate::bypass::{Outcomes, PASSWORD, Technique, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/traced-from-birth",
    Technique {
        what: "has a child ask to be traced (PTRACE_TRACEME) and then execute the permitted reader",
        outcomes: Outcomes::MEMORY,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["run-traced", SERVER, "do", "open", PASSWORD]];
            attack.touches(AccessKind::Ptrace, rule::MEMORY, steps)
        },
    },
);
