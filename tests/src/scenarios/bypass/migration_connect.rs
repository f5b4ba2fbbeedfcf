//! In another cgroup.

use anyhow::Result;

use crate::bench::Listener;
use crate::bench::image::SERVER;
use crate::bypass::{Attack, Came, Kind, Outcomes, PASSWORD, Technique};
use crate::stage::Scenario;

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/migration-connect",
    Technique {
        what: "moves itself to a cgroup beside the container's and carries it out",
        outcomes: Outcomes::DESTINATION,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let contained = attack.stage().contained(Kind::Usual)?;
    let elsewhere = Listener::tcp4()?;
    let to = elsewhere.address().to_string();
    let steps: &[&[&str]] = &[&["nest", "/cgroups/beside-too"], &["open", PASSWORD], &["connect-tcp", &to]];
    attack.leaves(contained, &elsewhere, || contained.runs(SERVER, steps))
}
