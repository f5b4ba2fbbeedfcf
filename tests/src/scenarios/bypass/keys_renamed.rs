//! The key is given a name that no rule speaks of.

use super::keyed;
use crate::bypass::{Outcome, Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/keys-renamed",
    Technique {
        what: "gives it another name, in a folder of which a rule names the key, and opens it",
        outcomes: Outcomes::lsm_or(Outcome::Allowed("keys go by name where the workload itself gives names")),
        attack: |attack| {
            let (old, new) = ("/data/tree/keys-renamed/password", "/data/tree/keys-renamed/x");
            keyed::opens(attack, "keys-renamed", &[&["rename", old, new], &["open", new]])
        },
    },
);
