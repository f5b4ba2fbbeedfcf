//! The key has a second name, which no rule speaks of.

use super::keyed;
use crate::bypass::{Outcome, Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/keys-linked",
    Technique {
        what: "opens a hard link to it of another name, in a folder of which a rule names the key",
        outcomes: Outcomes::lsm_or(Outcome::Allowed("keys go by name where the workload itself gives names")),
        attack: |attack| {
            let (old, new) = ("/data/tree/keys-linked/password", "/data/tree/keys-linked/x");
            keyed::opens(attack, "keys-linked", &[&["link", old, new], &["open", new]])
        },
    },
);
