//! Layers are mounted over the secret.

use crate::bypass::{Outcome, Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/overlaid-secret",
    Technique {
        what: "mounts an overlay of the folder in a user namespace and opens it there",
        outcomes: Outcomes::lsm_or(Outcome::Missed(
            "the overlay's file is another; that below is opened by the kernel",
        )),
        attack: |attack| {
            attack.opens(&[
                &["unshare", "user,mount"],
                &["overlay", "/etc/creds:/dev/shm", "/mnt"],
                &["open", "/mnt/password"],
            ])
        },
    },
);
