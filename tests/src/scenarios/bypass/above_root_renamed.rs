//! A folder above the secrets gets another name, and another folder its name; then the agent is started again.

use anyhow::{Result, ensure};
use cofferdam_model::AccessKind;

use super::roots::Rooted;
use crate::bypass::{Attack, Came, Outcomes, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/above-root-renamed",
    Technique {
        what: "renames a folder above a configured one, makes others in their place, waits until those are watched, and \
               opens it by its new name; also after a restart of the agent",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

const BY_NEW_NAME: &str = "/data/old/tree/password";

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let mut rooted = Rooted::new(attack, "above-root-renamed")?;
    rooted.attacker("rename", &["/data/above", "/data/old"])?.went_through()?;
    rooted.made_anew()?;
    let came = rooted.comes_to(attack, AccessKind::Open, "open", &[BY_NEW_NAME])?;
    rooted.agent.kill()?;
    rooted.agent.start_again()?;
    let later = rooted.comes_to(attack, AccessKind::Open, "open", &[BY_NEW_NAME])?;
    ensure!(came == later, "it was {came}, and {later} after a restart of the agent");
    Ok(came)
}
