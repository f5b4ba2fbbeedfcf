//! The permitted reader leaves a copy for others.

use anyhow::Result;

use crate::bench::Listener;
use crate::bench::image::SERVER;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/copied-to-file",
    Technique {
        what: "carries out a copy that the permitted reader has made by sendfile to a file",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

const COPY: &str = "/tmp/copied";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let elsewhere = Listener::tcp4()?;
    let copying: &[&[&str]] =
        &[&["hold", "s", PASSWORD], &["hold", "f", COPY, "read-write,create"], &["sendfile", "s", "f"]];
    contained.runs(SERVER, copying)?.went_through()?;
    let to = elsewhere.address().to_string();
    let steps: &[&[&str]] = &[&["open", COPY], &["connect-tcp", &to]];
    attack.leaves(contained, &elsewhere, || contained.attacker(steps))
}
