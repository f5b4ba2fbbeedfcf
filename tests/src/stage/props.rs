//! The stage that one scenario plays on, and what it finds there: containers, secrets, agents.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cofferdam_api::Tier;

use super::{Expected, Theatre};
use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, ContainerBuilder, Mounted, Place, Secret, Vault, until};
use crate::bypass::{Contained, Destination, Kind};

/// Where one scenario plays.
#[derive(Debug)]
pub struct Stage<'t> {
    theatre: &'t Theatre,
    tier: Tier,
    expected: Expected,
    /// Instead of the one that scenarios share.
    agent: Option<&'t Agent>,
}

impl<'t> Stage<'t> {
    /// A stage for a scenario of which this is expected.
    pub fn new(theatre: &'t Theatre, tier: Tier, expected: Expected) -> Self {
        Self { theatre, tier, expected, agent: None }
    }

    /// The same stage, watched by another agent than the one that scenarios share.
    pub fn watched_by<'a>(&self, agent: &'a Agent) -> Stage<'a>
    where
        't: 'a,
    {
        Stage { agent: Some(agent), ..*self }
    }

    /// The tier in use.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// What this tier must make of the scenario.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// The folder of this run.
    pub fn place(&self) -> &'t Place {
        self.theatre.place()
    }

    /// The agent that watches.
    ///
    /// # Errors
    /// If it is the one that scenarios share, and it does not start.
    pub fn agent(&self) -> Result<&'t Agent> {
        self.agent.map_or_else(|| self.theatre.agent(), Ok)
    }

    /// How often what is denied is tried, where it is tried again and again.
    pub fn attempts(&self) -> u64 {
        self.theatre.attempts()
    }

    /// Remembers how often something failed open, and says what was remembered before.
    pub(super) fn failed_open(&self, now: u64) -> u64 {
        // Of an agent of a scenario's own nothing is known before.
        if self.agent.is_some() { 0 } else { self.theatre.failed_open.replace(now) }
    }

    /// The boot that everything happens in.
    pub(super) fn boot_id(&self) -> &'t str {
        self.theatre.boot_id()
    }

    /// An agent of the scenario's own.
    ///
    /// # Errors
    /// If it does not start.
    pub fn own_agent(&self, options: &AgentOptions) -> Result<Agent> {
        Agent::start(self.place(), options)
    }

    /// The tree that is the lower layer of every container.
    pub fn image(&self) -> &'t Path {
        self.theatre.image().folder()
    }

    /// A container that is to be.
    pub fn container(&self) -> ContainerBuilder<'t> {
        ContainerBuilder::new(self.place(), self.theatre.image())
    }

    /// The workload under a policy that techniques share.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn contained(&self, kind: Kind) -> Result<&'t Contained> {
        self.theatre
            .contained(kind, |agent| Contained::new(self, agent, kind, Destination::Address, "shared"))
    }

    /// A Secret volume that the agent has found.
    ///
    /// # Errors
    /// If it does not find it.
    pub fn volume(&self, name: &str, keys: &[&str]) -> Result<Secret> {
        let secret = Secret::volume(self.place(), name, keys)?;
        self.is_found(&secret)?;
        Ok(secret)
    }

    /// A service-account volume that the agent has found.
    ///
    /// # Errors
    /// If it does not find it.
    pub fn token(&self, name: &str) -> Result<Secret> {
        let secret = Secret::token(self.place(), name)?;
        self.is_found(&secret)?;
        Ok(secret)
    }

    /// A tmpfs to be mounted at `/run/secrets/<name>`; the agent finds it in the container.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn plain_secret(&self, name: &str, keys: &[&str]) -> Result<Secret> {
        self.agent()?;
        Secret::plain(self.place(), name, keys)
    }

    /// The secrets that the shared agent is configured to watch.
    pub fn vault(&self) -> &'t Vault {
        self.theatre.vault()
    }

    /// A tmpfs that is no secret, with this device number.
    ///
    /// # Errors
    /// If the kernel does not hand out the number.
    pub fn tmpfs_of_device(&self, device: u64) -> Result<Mounted> {
        Mounted::tmpfs_on_device(&self.place().path("other-tmpfs"), device)
    }

    /// An ordinary folder for containers to share.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn shared_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.place().path("shared").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    }

    /// The cgroup of this run in the v2 hierarchy.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn cgroup_folder(&self) -> Result<PathBuf> {
        let folder = self.place().cgroup_folder()?;
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    }

    /// Waits until the agent has found a secret.
    ///
    /// # Errors
    /// If it does not.
    pub fn is_found(&self, secret: &Secret) -> Result<()> {
        let agent = self.agent()?;
        until(&format!("the agent to find {}", secret.name()), || {
            let rows = agent.asked(|answers| answers.secrets_named(secret.name()))?;
            let ours = rows.iter().any(|row| {
                let pod = row.pod_uid.as_deref() == secret.pod_uid();
                row.kind == secret.kind() && pod && row.until.is_none()
            });
            Ok(if ours { Look::Found(()) } else { Look::NotYet(format!("it has found {rows:?}")) })
        })
    }
}
