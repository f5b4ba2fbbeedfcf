//! More cgroups in a container than the kernel's tables keep of one.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bypass::{Attack, Came, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/many-cgroups",
    Technique {
        what: "makes 1,100 cgroups below the container's, more than have rows of their own, and opens it in the last",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

const NUMBER: &str = "1100";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.own("many")?;
    let run = format!("/{}", attack.stage().place().name());
    let below = contained.container().cgroup().trim_start_matches(&run);
    let inner = format!("/cgroups{below}/inner");
    attack.on(&contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        contained.attacker(&[&["nest-many", &inner, NUMBER], &["open", PASSWORD]])
    })
}
