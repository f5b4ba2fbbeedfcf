//! The workload sees the host's processes and takes hold of the agent.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-traced",
    Technique {
        what: "traces the agent, from a container that sees the host's processes (with CAP_SYS_PTRACE)",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees who reaches into memory")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let builder = attack.stage().container().with_processes_of_the_host();
    let thief = builder.with_capability("CAP_SYS_PTRACE").start()?;
    let pid = attack.stage().agent()?.pid()?.to_string();
    attack.by(&thief, Trace::Attempt(AttemptKind::Ptrace), None, || thief.child_does("ptrace", &[&pid]))
}
