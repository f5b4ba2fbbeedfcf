//! The permitted reader connects to another container to hand its descriptor over.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique, Trace, UNIX_UNSEEN, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/descriptor-sent-across",
    Technique {
        what: "sends the descriptor to another container that listens, out of the permitted reader",
        outcomes: Outcomes::lsm_or(UNIX_UNSEEN),
        attack: play,
    },
);

const SOCKET: &str = "/shared/sent-across";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let shared = attack.stage().shared_folder("contained")?;
    let thief = attack.stage().container().with_writable(&shared, "/shared").start()?;
    thief.does("listen-fd", &[SOCKET])?.went_through()?;
    let main = contained.container();
    main.does("hold", &["sent-across", PASSWORD])?.went_through()?;
    attack.on(contained, Trace::Attempt(AttemptKind::Unix), rule::SECRET, || {
        main.does("send-fd", &["sent-across", SOCKET])
    })
}
