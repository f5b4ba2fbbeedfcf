//! Layers are mounted over the secret.

use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/overlaid-secret",
    Technique {
        what: "mounts an overlay of the folder in a user namespace and opens it there",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            attack.opens(&[
                &["unshare", "user,mount"],
                &["overlay", "/etc/creds:/dev/shm", "/mnt"],
                &["open", "/mnt/password"],
            ])
        },
    },
);
