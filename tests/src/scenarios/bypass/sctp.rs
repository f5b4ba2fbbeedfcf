//! Over SCTP.

use anyhow::Result;
use cofferdam_model::EnforcedBy;

use crate::bench::Listener;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/sctp",
    Technique {
        what: "connects by SCTP, out of the permitted reader",
        outcomes: Outcomes {
            lsm: Outcome::Denied(EnforcedBy::Cgroup),
            tracepoint: Outcome::Impossible("the kernel that this was tried on has no SCTP"),
        },
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let elsewhere = Listener::tcp4()?;
    attack.reaches(&elsewhere, "connect-sctp", &[&elsewhere.address().to_string()])
}
