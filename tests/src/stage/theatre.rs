//! The theatre that stands from the first scenario to the last: an agent, an image, a folder.

use std::cell::OnceCell;
use std::fs;

use anyhow::{Context, Result};
use cofferdam_api::Tier;

use crate::bench::{Agent, AgentOptions, Image, Place, Vault};

/// What all scenarios share.
#[derive(Debug)]
pub struct Theatre {
    // Dropped in this order: the agent, then the folder that it lies in.
    agent: OnceCell<Agent>,
    image: Image,
    vault: Vault,
    place: Place,
    boot_id: String,
}

impl Theatre {
    /// Opens it, after what aborted runs left has been taken away.
    ///
    /// # Errors
    /// If something that every scenario needs cannot be made.
    pub fn open() -> Result<Self> {
        let place = Place::new("cofferdam-test")?;
        let image = Image::new(&place)?;
        let vault = Vault::new(&place)?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("reading the boot id")?;
        Ok(Self { agent: OnceCell::new(), image, vault, place, boot_id: boot_id.trim().to_owned() })
    }

    /// The agent that scenarios share; started when it is first asked for.
    ///
    /// # Errors
    /// If it does not start.
    pub fn agent(&self) -> Result<&Agent> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        let agent = Agent::start(
            &self.place,
            &AgentOptions { secrets: self.vault.secrets(), ..AgentOptions::default() },
        )?;
        Ok(self.agent.get_or_init(|| agent))
    }

    /// The tier that works here, as the agent says.
    ///
    /// # Errors
    /// If it does not say.
    pub fn tier(&self) -> Result<Tier> {
        let doctor = self.agent()?.asked(|answers| answers.doctor())?;
        doctor.tier.context("the agent says that no tier works here")
    }

    pub(super) fn image(&self) -> &Image {
        &self.image
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn boot_id(&self) -> &str {
        &self.boot_id
    }
}
