//! Somebody enters the container, and runs what lies in wait there: a program in memory.

use anyhow::Result;
use cofferdam_model::BinaryOrigin;

use crate::bench::Container;
use crate::bench::container::ACTOR;
use crate::bypass::{Attack, Came, Kind, Outcomes, Technique, Trace, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/session-into-memfd",
    Technique {
        what: "puts a link to a memfd where an exec session of the runtime executes it",
        outcomes: Outcomes::EXEC,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let trap = lay(contained.container())?;
    attack.on(contained, Trace::Program(BinaryOrigin::Memfd), rule::EXEC, || {
        contained.container().tries_exec_session(trap, "pid", &[])
    })
}

/// A path in the container that leads to a program that is in memory only.
pub(super) fn lay(container: &Container) -> Result<&'static str> {
    const TRAP: &str = "/tmp/trap";
    container.does("hold-memfd", &["payload", ACTOR])?.went_through()?;
    let number = container.does("number-held", &["payload"])?.went_through()?;
    container.does("symlink", &[&format!("/proc/1/fd/{number}"), TRAP])?.went_through()?;
    Ok(TRAP)
}
