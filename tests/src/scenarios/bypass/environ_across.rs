//! Another container sees the workload's processes.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Kind, Outcomes, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/environ-across",
    Technique {
        what: "opens /proc/<pid>/environ of it from a container that shares its processes",
        outcomes: Outcomes::ENVIRONMENT,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let builder = attack.stage().container().sharing_processes_of(contained.container());
    let thief = builder.with_capability("CAP_SYS_PTRACE").start()?;
    let decider = Some((contained.policy().name(), rule::ENVIRONMENT));
    attack
        .by(&thief, Trace::Access(AccessKind::Environ), decider, || thief.does("open", &["/proc/1/environ"]))
}
