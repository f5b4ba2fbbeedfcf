//! The theatre that stands from the first scenario to the last: an agent, an image, a folder.

use std::cell::{Cell, OnceCell};
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use cofferdam_api::Tier;

use crate::bench::{Agent, AgentOptions, Image, Place, Vault};
use crate::bypass::{Contained, Kind};

/// How soon the shared agent knows the habits of a workload. Whatever comes first is a habit: it must come within this
/// time also where a machine is slow.
pub const LEARNING: Duration = Duration::from_secs(4);

/// What all scenarios share.
#[derive(Debug)]
pub struct Theatre {
    // Dropped in this order: what is under a policy, the agent, then the folder that it lies in.
    contained: OnceCell<Contained>,
    any_program: OnceCell<Contained>,
    agent: OnceCell<Agent>,
    image: Image,
    vault: Vault,
    place: Place,
    boot_id: String,
    attempts: u64,
    /// By the shared agent's counters, when they were last looked at.
    pub(super) failed_open: Cell<u64>,
}

impl Theatre {
    /// Opens it, after what aborted runs left has been taken away. `attempts` is how often what is denied is tried
    /// where it is tried again and again.
    ///
    /// # Errors
    /// If something that every scenario needs cannot be made.
    pub fn open(attempts: u64) -> Result<Self> {
        let place = Place::new("cofferdam-test")?;
        let image = Image::new(&place)?;
        let vault = Vault::new(&place)?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("reading the boot id")?;
        Ok(Self {
            contained: OnceCell::new(),
            any_program: OnceCell::new(),
            agent: OnceCell::new(),
            image,
            vault,
            place,
            boot_id: boot_id.trim().to_owned(),
            attempts,
            failed_open: Cell::new(0),
        })
    }

    /// The agent that scenarios share; started when it is first asked for.
    ///
    /// # Errors
    /// If it does not start.
    pub fn agent(&self) -> Result<&Agent> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        let (secrets, learning) = (self.vault.secrets(), Some(LEARNING));
        let agent =
            Agent::start(&self.place, &AgentOptions { secrets, learning, ..AgentOptions::default() })?;
        Ok(self.agent.get_or_init(|| agent))
    }

    /// The workload under a policy that techniques share; made when it is first asked for, and bound from then on.
    pub(super) fn contained(
        &self,
        kind: Kind,
        make: impl FnOnce(&Agent) -> Result<Contained>,
    ) -> Result<&Contained> {
        let cell = match kind {
            Kind::Usual => &self.contained,
            Kind::AnyProgram => &self.any_program,
        };
        if let Some(contained) = cell.get() {
            return Ok(contained);
        }
        let contained = make(self.agent()?)?;
        contained.serves()?;
        Ok(cell.get_or_init(|| contained))
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

    pub(super) fn attempts(&self) -> u64 {
        self.attempts
    }

    pub(super) fn boot_id(&self) -> &str {
        &self.boot_id
    }
}
