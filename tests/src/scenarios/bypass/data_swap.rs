//! The kubelet swaps `..data` while somebody opens.

use std::thread::sleep;
use std::time::Duration;

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
);

const TIMES: &str = "2000";

/// Between two new values: who publishes them opens them, which is within the host's budget for events.
const PAUSE: Duration = Duration::from_millis(5);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let mut contained = attack.own("swapped")?;
    let decider = contained.policy().name().to_owned();
    let witness = attack.watches(contained.container(), Trace::Access(AccessKind::Open))?;
    let loop_of_opens: &[&str] = &["hammer-opens", "/etc/creds/..data/password", TIMES, "2"];
    let reply = contained.attacker_while(&[loop_of_opens], |secret| {
        sleep(PAUSE);
        secret.rotate()
    })?;
    attack.judges(&witness, contained.container(), Some((&decider, rule::SECRET)), &as_one(reply)?)
}
