//! A container in the container.

use anyhow::Result;

use crate::bench::container::ACTOR;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/nested-container",
    Technique {
        what: "makes a cgroup and namespaces of its own below the container's and opens it there",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let container = attack.stage().contained(Kind::Usual)?.container();
    let below = container.cgroup().trim_start_matches(&format!("/{}", attack.stage().place().name()));
    let inner = format!("/cgroups{below}/inner");
    attack.opens(&[
        &["nest", &inner],
        &["unshare", "user,mount,pid"],
        &["run", ACTOR, "do", "open", PASSWORD],
    ])
}
