//! Layers are mounted over a secret folder, into which a file has come since.

use cofferdam_model::AccessKind;

use super::keyed;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/overlaid-tree",
    Technique {
        what: "mounts an overlay of a secret folder in a user namespace, and opens a file there that came after the folder was first \
               watched",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[
                &["unshare", "user,mount"],
                &["overlay", "/data/tree/overlaid-tree:/dev/shm", "/mnt"],
                &["open", "/mnt/password"],
            ];
            keyed::touches(attack, AccessKind::Open, "overlaid-tree", steps)
        },
    },
);
