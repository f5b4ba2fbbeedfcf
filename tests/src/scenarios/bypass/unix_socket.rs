//! The permitted reader hands the bytes to its neighbour over a unix socket.

use anyhow::Result;

use crate::bench::Listener;
use crate::bench::container::ACTOR;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/unix-socket",
    Technique {
        what: "carries out what the permitted reader has sent over a unix socket",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

const SOCKET: &str = "/tmp/stream";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let (main, elsewhere) = (contained.container(), Listener::tcp4()?);
    let sibling = main.starts(ACTOR)?;
    sibling.does("listen-fd", &[SOCKET])?.went_through()?;
    main.does("connect-unix", &["stream", SOCKET])?.went_through()?;
    sibling.does("accept", &["stream", SOCKET])?.went_through()?;
    main.does("hold", &["streamed", PASSWORD])?.went_through()?;
    main.does("copy-held", &["streamed", "stream"])?.went_through()?;
    sibling.does("take", &["stream"])?.went_through()?;
    let to = elsewhere.address().to_string();
    attack.leaves(contained, &elsewhere, || sibling.does("connect-tcp", &[&to]))
}
