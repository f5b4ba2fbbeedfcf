//! Moved to another cgroup and back by another container: as a runtime lets a process in.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bench::container::ACTOR;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/migration-by-other",
    Technique {
        what: "has another container that sees its processes move it to a cgroup beside the container's and back, and opens it",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let builder = attack.stage().container().sharing_processes_of(contained.container());
    let builder = builder.with_writable(&attack.stage().cgroup_folder()?, "/cgroups");
    // Up to Linux 6.4 or so, who moves somebody with more capabilities needs this (`cpuset_can_attach`).
    let helper = builder.with_capability("CAP_SYS_NICE").start()?;
    let thief = contained.container().starts(ACTOR)?;
    let back = contained.container().cgroup().rsplit('/').take(2).collect::<Vec<_>>();
    let back = format!("/cgroups/{}/{}", back[1], back[0]);
    helper.does("move-other", &["/cgroups/beside-by-other", thief.pid()])?.went_through()?;
    helper.does("move-other", &[&back, thief.pid()])?.went_through()?;
    attack.on(contained, Trace::Access(AccessKind::Open), rule::SECRET, || thief.does("open", &[PASSWORD]))
}
