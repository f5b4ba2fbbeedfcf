//! The kubelet swaps `..data` while somebody opens.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Outcomes, Technique, Trace, as_one, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/data-swap",
    Technique {
        what: "opens it in a loop while new values are published",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
)
.counting(&["over_budget"]);

const TIMES: &str = "2000";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let mut contained = attack.own("swapped")?;
    let decider = contained.policy().name().to_owned();
    let witness = attack.watches(contained.container(), Trace::Access(AccessKind::Open))?;
    let loop_of_opens: &[&str] = &["hammer-opens", "/etc/creds/..data/password", TIMES, "2"];
    let reply = contained.attacker_while(&[loop_of_opens], |secret| secret.rotate())?;
    attack.judges(&witness, contained.container(), Some((&decider, rule::SECRET)), &as_one(reply)?)
}
