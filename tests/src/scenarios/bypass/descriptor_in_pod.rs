//! The permitted reader hands its descriptor to another program.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bench::container::ACTOR;
use crate::bypass::{Attack, Came, Kind, Outcome, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/descriptor-in-pod",
    Technique {
        what: "takes the descriptor from the permitted reader over a unix socket",
        outcomes: Outcomes::lsm_or(Outcome::Missed(
            "no hook of this tier sees a descriptor that is received",
        )),
        attack: play,
    },
);

const SOCKET: &str = "/tmp/passing";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let (main, thief) = (contained.container(), contained.container().starts(ACTOR)?);
    main.does("hold", &["passed", PASSWORD])?.went_through()?;
    thief.does("listen-fd", &[SOCKET])?.went_through()?;
    main.does("send-fd", &["passed", SOCKET])?.went_through()?;
    attack.on(contained, Trace::Access(AccessKind::Receive), rule::SECRET, || {
        thief.does("receive-fd", &[SOCKET, "stolen"])
    })
}
