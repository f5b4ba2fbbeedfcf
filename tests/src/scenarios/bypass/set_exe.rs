//! The attacker names the permitted reader as its program.

use crate::bench::image::SERVER;
use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/set-exe",
    Technique {
        what: "names the permitted reader as its program by PR_SET_MM_MAP in a user namespace",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["unshare", "user"], &["set-exe", SERVER], &["open", PASSWORD]]),
    },
);
