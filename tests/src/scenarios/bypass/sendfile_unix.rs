//! The kernel moves the bytes without a read, and older ones ask nobody who sends them on.

use crate::bypass::{Outcomes, Technique, UNIX_UNSEEN};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/sendfile-unix",
    Technique {
        what: "moves the secret by sendfile to a connection to a unix socket from before the read",
        outcomes: Outcomes::lsm_or(UNIX_UNSEEN),
        attack: |attack| attack.leaves_early_unix_connection("sendfile-unix", "sendfile"),
    },
);
