//! The permitted reader is made to dump its memory.

use anyhow::Result;

use crate::bench::Listener;
use crate::bench::image::SERVER;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/core-dump",
    Technique {
        what: "has the permitted reader dump core, and carries that out",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

const SIGABRT: &str = "6";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let elsewhere = Listener::tcp4()?;
    let reader = contained.container().starts(SERVER)?;
    reader.does("hold", &["it", PASSWORD])?.went_through()?;
    let to = elsewhere.address().to_string();
    let steps: &[&[&str]] = &[&["signal", reader.pid(), SIGABRT], &["connect-tcp", &to]];
    attack.leaves(contained, &elsewhere, || contained.attacker(steps))
}
