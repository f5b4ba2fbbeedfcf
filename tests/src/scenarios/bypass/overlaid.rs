//! Layers are mounted over the permitted reader.

use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

/// On a file system without layers: of those the kernel stacks but two.
const LAYER: &str = "/dev/shm/layer";
const EMPTY: &str = "/dev/shm/empty";

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/overlaid",
    Technique {
        what: "mounts an overlay over a permitted reader in a user namespace, and executes that path",
        outcomes: Outcomes::OPEN,
        attack: |attack| {
            let steps: &[&[&str]] = &[
                &["folder", LAYER],
                &["folder", EMPTY],
                &["copy", ACTOR, "/dev/shm/layer/server"],
                &["unshare", "user,mount"],
                &["overlay", "/dev/shm/layer:/dev/shm/empty", "/app"],
                &["run", SERVER, "do", "open", PASSWORD],
            ];
            attack.opens_as_any_program(ACTOR, steps)
        },
    },
);
