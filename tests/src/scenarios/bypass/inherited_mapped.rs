//! A descriptor that was left open is mapped.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bypass::{Attack, Came, Kind, Outcome, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/inherited-mapped",
    Technique {
        what: "is executed by the permitted reader with its descriptor open, and maps it",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees a mapping")),
        attack: play,
    },
);

/// Under which number the descriptor is left.
const LEFT: &str = "78";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let steps: &[&[&str]] = &[
        &["hold", "it", PASSWORD],
        &["bequeath", "it", LEFT],
        &["run", ACTOR, "do", "inner", "inherit", "it", LEFT, "++", "map-held", "it"],
    ];
    attack.on(contained, Trace::Access(AccessKind::Mmap), rule::SECRET, || contained.runs(SERVER, steps))
}
