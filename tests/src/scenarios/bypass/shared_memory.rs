//! The permitted reader hands the bytes to its neighbour in shared memory.

use anyhow::Result;

use crate::bench::Listener;
use crate::bench::image::SERVER;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/shared-memory",
    Technique {
        what: "carries out what the permitted reader has put into shared memory",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

const MEMORY: &str = "/dev/shm/bytes";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let elsewhere = Listener::tcp4()?;
    let pouring: &[&[&str]] =
        &[&["hold", "s", PASSWORD], &["hold", "m", MEMORY, "read-write,create"], &["copy-held", "s", "m"]];
    contained.runs(SERVER, pouring)?.went_through()?;
    let to = elsewhere.address().to_string();
    let steps: &[&[&str]] = &[&["open-mmap", MEMORY], &["connect-tcp", &to]];
    attack.leaves(contained, &elsewhere, || contained.attacker(steps))
}
