//! A symbolic link comes to where a folder of secrets is configured.

use anyhow::Result;
use cofferdam_model::AccessKind;

use super::roots::Rooted;
use crate::bench::until;
use crate::bench::wait::Look;
use crate::bypass::{Attack, Came, Outcomes, Technique};
use crate::stage::{Scenario, Went};

pub(super) const SCENARIO: Scenario = Scenario::technique(
    "bypass/root-linked",
    Technique {
        what: "renames a folder above a configured one, puts a symbolic link to others' files in its place, waits until \
               the agent has looked, and opens it by its new name",
        outcomes: Outcomes::OPEN,
        attack: play,
    },
);

fn play(attack: &Attack<'_, '_>) -> Result<Came> {
    let rooted = Rooted::new(attack, "root-linked")?;
    rooted.attacker("rename", &["/data/above", "/data/old"])?.went_through()?;
    rooted.attacker("symlink", &["public", "/data/above"])?.went_through()?;
    until("the link to be told", || {
        let sources = rooted.agent.asked(|answers| answers.status())?.sources;
        let told =
            sources.iter().any(|source| !source.ok && source.state.contains("has become a symbolic link"));
        Ok(if told { Look::Found(()) } else { Look::NotYet(format!("the sources are {sources:?}")) })
    })?;
    // Whose files these are would be kept from them.
    rooted.attacker("open", &["/data/public/tree/password"])?.went_through()?;
    rooted.comes_to(attack, AccessKind::Open, "open", &["/data/old/tree/password"])
}
