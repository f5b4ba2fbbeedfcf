//! As `session_into_memfd`, where nothing is said of programs.

use anyhow::Result;
use cofferdam_model::AccessKind;

use super::session_into_memfd::lay;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/session-into-memfd-any",
    Technique {
        what: "has an exec session execute a memfd where no rule speaks of programs, and open it",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::AnyProgram)?;
    let trap = lay(contained.container())?;
    attack.on(contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        contained.container().tries_exec_session(trap, "open", &[PASSWORD])
    })
}
