//! A volume disappears from the host while its container still runs, as when a pod is being deleted: what rules deny of
//! other volumes stays denied, at once and later; and a rule that comes only then holds for the one that is gone, too.

use std::fs;

use anyhow::{Context, Result};
use nix::errno::Errno;

use super::kit;
use crate::bench::image::SERVER;
use crate::bench::{AgentOptions, Policy};
use crate::bypass::{Contained, Destination, Kind, PASSWORD};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/volume-gone", PerTier::SEEN, play);

const NAME: &str = "outlived";

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.own_agent(&AgentOptions::default())?;
    let stage = stage.watched_by(&agent);
    let contained = |of| Contained::new(&stage, &agent, Kind::Usual, Destination::Address, of);
    let (stays, mut goes) = (contained("stays")?, contained("goes")?);
    stays.serves()?;

    goes.secret_mut().unmount();
    let folder = goes.secret().folder();
    fs::remove_dir(folder).with_context(|| format!("removing {}", folder.display()))?;
    // Whatever the agent does once it has found out, it has done by the end of these.
    let later = contained("later")?;
    for (when, contained) in [("of before", &stays), ("of later", &later), ("of before, once more", &stays)] {
        contained
            .attacker(&[&["open", PASSWORD]])?
            .was_refused_with(Errno::EPERM)
            .with_context(|| format!("another program opens the secret {when}"))?;
        contained.serves()?;
    }
    rule_comes_later(&stage)?;
    stage.nothing_fails_open()
}

/// The file system has no place on the host any more by which opens could be held back.
fn rule_comes_later(stage: &Stage<'_>) -> Result<()> {
    let mut secret = kit::secret(stage, NAME)?;
    let container = kit::holder(stage, &secret, NAME)?;
    kit::reads(&container)?;
    secret.unmount();
    fs::remove_dir(secret.folder()).with_context(|| format!("removing {}", secret.folder().display()))?;
    let spec = format!(
        "selector: {{ cgroup: \"{}\" }}\n\
         secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }} ] }}\n",
        kit::below(stage, NAME),
        secret.name(),
    );
    let policy = Policy::apply(stage.place(), stage.agent()?, NAME, &spec)?;
    policy.holds(&container, &["db"])?;
    kit::attacker_is_refused(&container)?;
    kit::reads(&container)?;
    policy.lift()
}
