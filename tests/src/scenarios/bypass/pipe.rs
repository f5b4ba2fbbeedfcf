//! The permitted reader hands the bytes to its neighbour through a pipe.

use anyhow::Result;

use crate::bench::Listener;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/pipe",
    Technique {
        what: "carries out what the permitted reader has written into a pipe",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

const PIPE: &str = "/tmp/pipe";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let (main, elsewhere) = (contained.container(), Listener::tcp4()?);
    main.does("fifo", &[PIPE])?.went_through()?;
    main.does("hold", &["pipe", PIPE, "read-write,nonblock"])?.went_through()?;
    main.does("hold", &["poured", PASSWORD])?.went_through()?;
    main.does("copy-held", &["poured", "pipe"])?.went_through()?;
    let to = elsewhere.address().to_string();
    let steps: &[&[&str]] =
        &[&["hold", "pipe", PIPE, "read,nonblock"], &["take", "pipe"], &["connect-tcp", &to]];
    attack.leaves(contained, &elsewhere, || contained.attacker(steps))
}
