//! Layers are mounted over the permitted reader.

use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/overlaid",
    Technique {
        what: "mounts an overlay over a permitted reader in a user namespace, and executes that path",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[
                &["folder", "/tmp/layer"],
                &["copy", ACTOR, "/tmp/layer/server"],
                &["unshare", "user,mount"],
                &["overlay", "/tmp/layer:/mnt", "/app"],
                &["run", SERVER, "do", "open", PASSWORD],
            ];
            attack.opens_as_any_program(ACTOR, steps)
        },
    },
);
