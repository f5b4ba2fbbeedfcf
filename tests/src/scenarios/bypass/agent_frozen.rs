//! The workload sees the host's cgroups and freezes the agent's.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_model::AttemptKind;

use crate::bench::AgentOptions;
use crate::bypass::{Attack, Came, Outcome, Outcomes, Technique, Trace};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/agent-frozen",
    Technique {
        what: "freezes the agent's cgroup, from a container that may write to the host's",
        outcomes: Outcomes::lsm_or(Outcome::Missed(
            "opens of control files of cgroups are not held back on this tier",
        )),
        attack: play,
    },
);

const MODE: &str = "644";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let cgroups = attack.stage().cgroup_folder()?;
    let keep = cgroups.join("frozen-agent");
    fs::create_dir(&keep).with_context(|| format!("making the cgroup {}", keep.display()))?;
    let agent =
        attack.stage().own_agent(&AgentOptions { cgroup: Some(keep.clone()), ..AgentOptions::default() })?;
    let stage = attack.stage().watched_by(&agent);
    let attack = attack.told_by(&stage);
    let thief = stage.container().with_writable(&cgroups, "/cgroups").start()?;

    // Its own is no business of ours.
    let own = format!("/cgroups/{}/cgroup.freeze", thief.id());
    thief.does("write", &[&own, MODE, "0"])?.went_through()?;
    attack.by(&thief, Trace::Attempt(AttemptKind::AgentFile), None, || {
        let reply = thief.does("write", &["/cgroups/frozen-agent/cgroup.freeze", MODE, "1"]);
        fs::write(keep.join("cgroup.freeze"), "0").context("thawing the agent")?;
        reply
    })
}
