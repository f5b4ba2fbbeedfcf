//! The stage that a scenario plays on, and the theatre that stands from the first scenario to the last.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use cofferdam_api::{Doctor, HookState, Tier};
use cofferdam_model::{AccessKind, TargetRelation};
use serde::Serialize;

use super::{AccessWanted, ConnectionWanted, Expected, Ledger, Went};
use crate::bench::wait::Look;
use crate::bench::{
    Agent, AgentOptions, Container, ContainerBuilder, Image, Mounted, Place, Secret, Vault, until,
};

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
}

/// Where one scenario plays.
#[derive(Debug)]
pub struct Stage<'t> {
    theatre: &'t Theatre,
    tier: Tier,
    expected: Expected,
}

impl<'t> Stage<'t> {
    /// A stage for a scenario of which this is expected.
    pub fn new(theatre: &'t Theatre, tier: Tier, expected: Expected) -> Self {
        Self { theatre, tier, expected }
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
        &self.theatre.place
    }

    /// The agent that scenarios share.
    ///
    /// # Errors
    /// If it does not run.
    pub fn agent(&self) -> Result<&'t Agent> {
        self.theatre.agent()
    }

    /// An agent of the scenario's own.
    ///
    /// # Errors
    /// If it does not start.
    pub fn own_agent(&self, options: &AgentOptions) -> Result<Agent> {
        Agent::start(self.place(), options)
    }

    /// A container that is to be.
    pub fn container(&self) -> ContainerBuilder<'t> {
        ContainerBuilder::new(&self.theatre.place, &self.theatre.image)
    }

    /// A Secret volume that the agent has found.
    ///
    /// # Errors
    /// If it does not find it.
    pub fn volume(&self, name: &str, keys: &[&str]) -> Result<Secret> {
        let secret = Secret::volume(self.place(), name, keys)?;
        self.is_found(self.agent()?, &secret)?;
        Ok(secret)
    }

    /// A service-account volume that the agent has found.
    ///
    /// # Errors
    /// If it does not find it.
    pub fn token(&self, name: &str) -> Result<Secret> {
        let secret = Secret::token(self.place(), name)?;
        self.is_found(self.agent()?, &secret)?;
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
        &self.theatre.vault
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

    /// Waits until an agent has found a secret.
    ///
    /// # Errors
    /// If it does not.
    pub fn is_found(&self, agent: &Agent, secret: &Secret) -> Result<()> {
        until(&format!("the agent to find {}", secret.name()), || {
            let rows = agent.asked(|answers| answers.secrets_named(secret.name()))?;
            let ours = rows.iter().any(|row| {
                let pod = row.pod_uid.as_deref() == secret.pod_uid();
                row.kind == secret.kind() && pod && row.until.is_none()
            });
            Ok(if ours { Look::Found(()) } else { Look::NotYet(format!("it has found {rows:?}")) })
        })
    }

    /// The scenario's subject: reported exactly, or missed and named by `doctor`, as expected on this tier.
    ///
    /// # Errors
    /// If it is otherwise.
    pub fn must_report(&self, by: &Container, wanted: &AccessWanted) -> Result<()> {
        match self.expected {
            Expected::Seen => self.reports(wanted),
            Expected::Missed(words) => {
                self.says_nothing_of(by, wanted)?;
                self.doctor_names(words)
            }
        }
    }

    /// The shared agent reports this access exactly.
    ///
    /// # Errors
    /// If it does not.
    pub fn reports(&self, wanted: &AccessWanted) -> Result<()> {
        self.agent_reports(self.agent()?, wanted)
    }

    /// This agent reports this access exactly.
    ///
    /// # Errors
    /// If it does not.
    pub fn agent_reports(&self, agent: &Agent, wanted: &AccessWanted) -> Result<()> {
        until("an access", || {
            let rows = agent.asked(|answers| answers.accesses_of(&wanted.container_id))?;
            let about: Vec<_> = rows.iter().filter(|row| wanted.is_about(row)).collect();
            if let Some(missing) = wanted.missing(&about) {
                return Ok(Look::NotYet(format!(
                    "{missing}; wanted {wanted:?}; there are {}",
                    listed(&rows)
                )));
            }
            for row in about {
                if let Some(differences) = wanted.differences(row, &self.theatre.boot_id) {
                    bail!("an access is reported wrongly: {differences}; {}", listed(&[row]));
                }
            }
            Ok(Look::Found(()))
        })
    }

    /// The shared agent reports this connection exactly.
    ///
    /// # Errors
    /// If it does not.
    pub fn reports_connection(&self, wanted: &ConnectionWanted) -> Result<()> {
        let agent = self.agent()?;
        until("a connection", || {
            let rows = agent.asked(|answers| answers.connections_of(&wanted.container_id))?;
            let about: Vec<_> = rows.iter().filter(|row| wanted.is_about(row)).collect();
            if let Some(missing) = wanted.missing(&about) {
                return Ok(Look::NotYet(format!(
                    "{missing}; wanted {wanted:?}; there are {}",
                    listed(&rows)
                )));
            }
            for row in about {
                if let Some(differences) = wanted.differences(row, &self.theatre.boot_id) {
                    bail!("a connection is reported wrongly: {differences}; {}", listed(&[row]));
                }
            }
            Ok(Look::Found(()))
        })
    }

    /// The shared agent has no row about this, although it has one about what happened afterwards.
    ///
    /// # Errors
    /// If it has.
    pub fn says_nothing_of(&self, by: &Container, unwanted: &AccessWanted) -> Result<()> {
        self.everything_has_arrived(by)?;
        let rows = self.agent()?.asked(|answers| answers.accesses_of(&unwanted.container_id))?;
        let about: Vec<_> = rows.iter().filter(|row| unwanted.is_about(row)).collect();
        ensure!(about.is_empty(), "reported, and must not be: {}", listed(&about));
        Ok(())
    }

    /// Waits until the shared agent knows all that has happened in a container until now: a new process there reads its
    /// own environment, which every tier sees, and events of one CPU or one process arrive in their order.
    ///
    /// # Errors
    /// If that does not arrive.
    pub fn everything_has_arrived(&self, container: &Container) -> Result<()> {
        let before = self.own_environments_read(container)?;
        container.child_does("open", &["/proc/self/environ"])?.went_through()?;
        until("what happened afterwards", || {
            let now = self.own_environments_read(container)?;
            Ok(if now > before { Look::Found(()) } else { Look::NotYet("it is not there".to_owned()) })
        })
    }

    fn own_environments_read(&self, container: &Container) -> Result<usize> {
        let rows = self.agent()?.asked(|answers| answers.accesses_of(container.id()))?;
        let own = rows.iter().filter(|row| {
            let relation = row.target.as_ref().map(|target| target.relation);
            row.how == AccessKind::Environ && relation == Some(TargetRelation::Own)
        });
        Ok(own.count())
    }

    /// `doctor` says in words that contain these what is not seen here.
    ///
    /// # Errors
    /// If it does not.
    pub fn doctor_names(&self, words: &str) -> Result<()> {
        let doctor = self.agent()?.asked(|answers| answers.doctor())?;
        let admitted = admissions(&doctor);
        ensure!(
            admitted.iter().any(|text| text.contains(words)),
            "doctor does not say `{words}`, only: {admitted:#?}"
        );
        Ok(())
    }

    /// The shared agent's counters now.
    ///
    /// # Errors
    /// If it does not say.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(Ledger::from(&self.agent()?.asked(|answers| answers.status())?))
    }
}

/// Rows for a message, one a line, as the command line writes them.
pub(super) fn listed<Row: Serialize>(rows: &[Row]) -> String {
    let line = |row| serde_json::to_string(row).unwrap_or_else(|error| error.to_string());
    rows.iter().map(|row| format!("\n    {}", line(row))).collect()
}

/// What `doctor` says is not seen.
fn admissions(doctor: &Doctor) -> Vec<String> {
    let hooks = doctor.hooks.iter().filter(|hook| hook.state != HookState::Attached);
    let spots = doctor.blind_spots.iter().map(|spot| spot.what.clone());
    hooks.map(|hook| hook.without_it.clone()).chain(spots).collect()
}
