//! Where the policy's names are looked for, the attacker has put something else.

use anyhow::Result;
use cofferdam_model::AccessKind;

use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bench::{Helper, Policy};
use crate::bypass::{Attack, Came, Contained, Outcomes, PASSWORD, Technique, Trace, rule};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/other-root",
    Technique {
        what: "waits in a namespace where its program is bound over the permitted reader, until policies are looked at again",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

/// Whichever of the workload's processes is asked for its root, it is likely one of these.
const WAITING: usize = 12;

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let (stage, contained) = (attack.stage(), attack.own("other-root")?);
    let _waiting: Vec<Helper> = (0..WAITING).map(|_| waits_elsewhere(&contained)).collect::<Result<_>>()?;
    let others =
        "selector: { cgroup: \"/nobody/lives/here\" }\nmode: enforce\nmemory: { id: mem, attach: deny }\n";
    let _makes_look_again = Policy::apply(stage.place(), stage.agent()?, "of-nobody", others)?;
    let came = attack.on(&contained, Trace::Access(AccessKind::Open), rule::SECRET, || {
        contained.attacker(&[&["open", PASSWORD]])
    })?;
    contained.serves()?;
    Ok(came)
}

fn waits_elsewhere(contained: &Contained) -> Result<Helper> {
    let helper = contained.container().starts(ACTOR)?;
    helper.does("unshare", &["user,mount"])?.went_through()?;
    helper.does("bind", &[ACTOR, SERVER])?.went_through()?;
    Ok(helper)
}
