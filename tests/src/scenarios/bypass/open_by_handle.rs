//! By the file's handle, without a path.

use crate::bypass::{Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/open-by-handle",
    Technique {
        what: "opens it by its handle (with CAP_DAC_READ_SEARCH)",
        outcomes: Outcomes::OPEN,
        attack: |attack| attack.opens(&[&["open-by-handle", PASSWORD]]),
    },
);
