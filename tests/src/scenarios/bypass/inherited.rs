//! A program is left with an open descriptor by the one before.

use anyhow::Result;

use crate::bench::Listener;
use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/inherited",
    Technique {
        what: "is executed by the permitted reader with its descriptor open, reads, and carries it out",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

/// Under which number the descriptor is left.
const LEFT: &str = "77";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let elsewhere = Listener::tcp4()?;
    let to = elsewhere.address().to_string();
    let steps: &[&[&str]] = &[
        &["hold", "it", PASSWORD],
        &["bequeath", "it", LEFT],
        &["run", ACTOR, "do", "inner", "inherit", "it", LEFT, "++", "take", "it", "++", "connect-tcp", &to],
    ];
    attack.leaves(contained, &elsewhere, || contained.runs(SERVER, steps))
}
