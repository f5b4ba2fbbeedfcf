//! The workload sees the host's processes and makes the agent the first that the kernel kills when memory is short.

use anyhow::Result;
use cofferdam_model::AttemptKind;

use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-oom-score",
    Technique {
        what: "opens the agent's oom_score_adj for writing, from a container that sees the host's processes",
        outcomes: Outcomes::lsm_or(Outcome::Missed("no hook of this tier sees writes below /proc")),
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let thief = attack.stage().container().with_processes_of_the_host().start()?;
    // Its own is no business of ours.
    thief.does("open", &["/proc/self/oom_score_adj", "write"])?.went_through()?;
    let of_agent = format!("/proc/{}/oom_score_adj", attack.stage().agent()?.pid()?);
    attack.by(&thief, Trace::Attempt(AttemptKind::AgentFile), None, || {
        thief.does("open", &[&of_agent, "write"])
    })
}
