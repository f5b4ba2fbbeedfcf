//! A program of the image runs code that was written later, without executing its file.

use cofferdam_model::AttemptKind;

use crate::bypass::{Answer, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/code-by-loader",
    Technique {
        what: "writes a program, maps it as code and jumps into it, as the loader does with a program that it is given \
               by name",
        outcomes: Outcomes {
            lsm: Outcome::Detected(Answer::Attempts),
            tracepoint: Outcome::Missed("no hook of this tier sees mapped code"),
        },
        attack: |attack| {
            attack.executes(Trace::Attempt(AttemptKind::MapCode), &[&["run-mapped", "/tmp/code"]])
        },
    },
);
