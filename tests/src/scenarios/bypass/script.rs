//! A script that the permitted reader interprets.

use crate::bench::container::ACTOR;
use crate::bypass::{Outcomes, Technique};
use crate::stage::Scenario;

const SCRIPT: &str = "/tmp/script";
const TEXT: &str = "#!/app/server script\nopen /etc/creds/password\n";

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/script",
    Technique {
        what: "writes a script whose interpreter is the permitted reader",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[&["write", SCRIPT, "755", TEXT], &["run", SCRIPT]];
            attack.opens_as_any_program(ACTOR, steps)
        },
    },
);
