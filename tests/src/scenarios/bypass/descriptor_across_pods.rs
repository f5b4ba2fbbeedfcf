//! The permitted reader hands its descriptor to another container.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcome, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/descriptor-across-pods",
    Technique {
        what: "takes the descriptor in another container that has connected",
        outcomes: Outcomes::lsm_or(Outcome::Missed(
            "no hook of this tier sees a descriptor that is received",
        )),
        attack: play,
    },
);

const SOCKET: &str = "/shared/passing-across";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let shared = attack.stage().shared_folder("contained")?;
    let thief = attack.stage().container().with_writable(&shared, "/shared").start()?;
    let main = contained.container();
    main.does("hold", &["passed-across", PASSWORD])?.went_through()?;
    // An answer to who has connected is let through: what it carries must not be.
    main.does("listen-fd", &[SOCKET])?.went_through()?;
    thief.does("connect-unix", &["asked", SOCKET])?.went_through()?;
    main.does("accept", &["asked", SOCKET])?.went_through()?;
    main.does("send-fd", &["passed-across", "asked"])?.went_through()?;
    let decider = Some((contained.policy().name(), rule::SECRET));
    attack.by(&thief, Trace::Access(AccessKind::Receive), decider, || {
        thief.does("receive-fd", &["asked", "stolen"])
    })
}
