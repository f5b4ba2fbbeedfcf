//! A secret lies deeper in its folder than anybody looks.

use super::keyed;
use crate::bypass::{Outcome, Outcomes, Technique};
use crate::stage::Scenario;

/// More folders than the kernel programs climb.
const DEEP: &str = "/data/tree/tree-too-deep/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17";

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/tree-too-deep",
    Technique {
        what: "moves it down into seventeen folders below a secret folder that it can write to, and opens it there",
        outcomes: Outcomes::lsm_or(Outcome::Missed("nobody looks that deep")),
        attack: |attack| {
            let deep = format!("{DEEP}/password");
            let old = "/data/tree/tree-too-deep/password";
            let steps: &[&[&str]] = &[&["folder", DEEP], &["rename", old, &deep], &["open", &deep]];
            keyed::opens(attack, "tree-too-deep", steps)
        },
    },
);
