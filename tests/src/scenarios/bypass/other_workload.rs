//! Another container mounts the same volume.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, SECRET_AT, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/other-workload",
    Technique {
        what: "mounts the volume in a container that no policy selects",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let thief = attack.stage().container().with_secret(contained.secret(), SECRET_AT).start()?;
    let decider = Some((contained.policy().name(), rule::SECRET));
    attack.by(&thief, Trace::Access(AccessKind::Open), decider, || thief.does("open", &[PASSWORD]))
}
