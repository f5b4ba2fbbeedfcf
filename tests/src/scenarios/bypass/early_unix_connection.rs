//! A connection to a unix socket of another container that was opened before the secret was read.

use crate::bypass::{Outcomes, Technique, UNIX_UNSEEN};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/early-unix-connection",
    Technique {
        what: "sends over a connection to a unix socket of another container from before the read",
        outcomes: Outcomes::lsm_or(UNIX_UNSEEN),
        attack: |attack| attack.leaves_early_unix_connection("early-unix", "copy-held"),
    },
);
