//! A folder of secrets gets another name, and another folder its name.

use anyhow::Result;
use cofferdam_api::Tier;
use cofferdam_model::AccessKind;

use super::roots::Rooted;
use crate::bypass::{Attack, Came, Outcomes, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/root-renamed",
    Technique {
        what: "renames a configured folder that it can write beside, makes another in its place, waits until that is \
               watched, and opens it by its new name",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let rooted = Rooted::new(attack, "root-renamed")?;
    let renaming = ["/data/above/tree", "/data/above/old"];
    if attack.stage().tier() == Tier::Lsm {
        return rooted.comes_to(attack, AccessKind::Move, "rename", &renaming);
    }
    rooted.attacker("rename", &renaming)?.went_through()?;
    rooted.made_anew()?;
    rooted.comes_to(attack, AccessKind::Open, "open", &["/data/above/old/password"])
}
