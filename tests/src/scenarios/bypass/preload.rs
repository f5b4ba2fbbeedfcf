//! Code that is not the image's runs in the permitted reader.

use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bypass::{Outcome, Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

const LIBRARY: &str = "/tmp/library.so";

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/preload",
    Technique {
        what: "has the permitted reader map a library that was written later, as LD_PRELOAD does",
        outcomes: Outcomes::lsm_or(Outcome::Allowed("no hook of this tier sees mapped code")),
        attack: |attack| {
            let steps: &[&[&str]] = &[&["copy", ACTOR, LIBRARY], &["map-code", LIBRARY], &["open", PASSWORD]];
            attack.opens_as_any_program(SERVER, steps)
        },
    },
);
