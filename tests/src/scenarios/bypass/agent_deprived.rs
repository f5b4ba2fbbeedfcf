//! The workload sees the host's processes and leaves the agent neither processor nor disk.

use anyhow::{Context, Result};
use cofferdam_model::AttemptKind;

use crate::actor::Reply;
use crate::bench::Container;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-deprived",
    Technique {
        what: "changes the agent's scheduling (sched_setaffinity, setpriority, ioprio_set), from a container that sees the host's \
               processes (with CAP_SYS_NICE)",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees scheduling")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let builder = attack.stage().container().with_processes_of_the_host();
    // Without it the kernel itself refuses who has less capabilities than the agent.
    let thief = builder.with_capability("CAP_SYS_NICE").start()?;
    let pid = attack.stage().agent()?.pid()?.to_string();
    attack.by(&thief, Trace::Attempt(AttemptKind::Limit), None, || any(&thief, &pid))
}

/// The first that goes through, else the last refusal.
fn any(thief: &Container, pid: &str) -> Result<Reply> {
    let mut last = None;
    for step in ["pin", "renice", "ionice"] {
        let reply = thief.does(step, &[pid])?;
        if reply.ok {
            return Ok(reply);
        }
        last = Some(reply);
    }
    last.context("nothing was tried")
}
