//! Everything else on the machine runs, too.

use std::thread;

use anyhow::{Result, anyhow};
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique, Trace, as_one, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-starved",
    Technique {
        what: "opens it again and again while eight processes leave the agent little of the processors",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

const ROUNDS: &str = "20000";
/// Enough to last as long as the crowd.
const TRIES: &str = "20000";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let busy = contained.container().starts(crate::bench::container::ACTOR)?;
    attack.on(contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        thread::scope(|scope| {
            let crowd =
                scope.spawn(|| busy.does("hammer-opens", &["/etc/passwd", ROUNDS, "8"])?.went_through());
            let reply = as_one(contained.attacker(&[&["hammer-opens", PASSWORD, TRIES, "1"]])?)?;
            crowd.join().map_err(|_| anyhow!("the thread of the crowd failed"))??;
            Ok(reply)
        })
    })
}
