//! The workload that techniques are tried on: a container with a secret, and a policy that says who may read it, where
//! it may go, and what may be executed.

use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use cofferdam_model::WallTime;

use crate::actor::Reply;
use crate::bench::container::ACTOR;
use crate::bench::image::{SERVER, WORKER};
use crate::bench::{Agent, Container, ContainerBuilder, Listener, Policy, Secret};
use crate::stage::{Stage, Went};

/// Where containers have the secret.
pub const SECRET_AT: &str = "/etc/creds";
/// The one key that techniques are after.
pub const PASSWORD: &str = "/etc/creds/password";

/// Ids of the rules.
pub mod rule {
    /// Who may read the secret, and where it may travel.
    pub const SECRET: &str = "db";
    /// Environments.
    pub const ENVIRONMENT: &str = "env";
    /// What may be executed.
    pub const EXEC: &str = "ex";
    /// Where the workload may send.
    pub const EGRESS: &str = "out";
    /// Memory.
    pub const MEMORY: &str = "mem";
}

/// What the policy forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything that it can.
    Usual,
    /// Nothing of what is executed: who reads is all that counts.
    AnyProgram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Usual => "contained-",
            Self::AnyProgram => "contained-readers-",
        }
    }

    const fn rules(self) -> &'static [&'static str] {
        match self {
            Self::Usual => &[rule::SECRET, rule::ENVIRONMENT, rule::EGRESS, rule::MEMORY, rule::EXEC],
            Self::AnyProgram => &[rule::SECRET, rule::ENVIRONMENT, rule::EGRESS, rule::MEMORY],
        }
    }

    fn spec(self, cgroups: &str, secret: &Secret, to: Destination, permitted: &Listener) -> String {
        let (name, to) = (secret.name(), to.named(permitted));
        let mut spec = format!(
            "selector: {{ cgroup: \"{cgroups}/*\" }}\n\
             mode: enforce\n\
             secrets:\n\
             \u{20} - id: {}\n\
             \u{20}   secret: {name}\n\
             \u{20}   readers: [ {{ binary: {SERVER} }}, {{ binary: {WORKER} }} ]\n\
             \u{20}   exclusive: true\n\
             \u{20}   destinations: [ {to} ]\n\
             environment: {{ id: {}, read: own }}\n\
             egress: {{ id: {}, default: allow, deny: [ {{ set: cloud-metadata }} ] }}\n\
             memory: {{ id: {}, attach: deny }}\n",
            rule::SECRET,
            rule::ENVIRONMENT,
            rule::EGRESS,
            rule::MEMORY,
        );
        if self == Self::Usual {
            let id = rule::EXEC;
            spec += &format!("exec: {{ id: {id}, deny: [ {{ origin: written }}, {{ origin: memfd }} ] }}\n");
        }
        spec
    }
}

/// How the policy names the secret's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// By its address.
    Address,
    /// By a host's name, `localhost`.
    Host,
}

impl Destination {
    fn named(self, permitted: &Listener) -> String {
        let port = permitted.address().port();
        match self {
            Self::Address => format!("{{ cidr: 127.0.0.1/32, ports: [{port}], protocol: tcp }}"),
            Self::Host => format!("{{ host: localhost, ports: [{port}], protocol: tcp }}"),
        }
    }
}

/// A workload under a policy.
///
/// Its main process is a permitted reader: what that does, code inside the rightful program does. Every other program of
/// the image is an attacker's.
#[derive(Debug)]
pub struct Contained {
    container: Container,
    policy: Policy,
    secret: Secret,
    permitted: Listener,
    kind: Kind,
    spec: String,
}

impl Contained {
    /// Makes it: policy first, so that the container is born under it.
    ///
    /// # Errors
    /// If something cannot be made, the policy does not take hold, or an ordinary workload is disturbed by it.
    pub fn new(
        stage: &Stage<'_>,
        agent: &Agent,
        kind: Kind,
        destination: Destination,
        of: &str,
    ) -> Result<Self> {
        let name = format!("{}{of}", kind.name());
        // No other run on this machine has one of this name: ours is for the workloads of our policy alone.
        let unique = format!("creds-of-{name}-{}", stage.place().digits());
        let secret = stage.volume(&unique, &["password", "other"])?;
        let permitted = Listener::tcp4()?;
        let cgroups = format!("/{}/{name}", stage.place().name());
        let spec = kind.spec(&cgroups, &secret, destination, &permitted);
        let policy = Policy::apply(stage.place(), agent, &name, &spec)?;
        let container = Self::equipped(stage.container(), &secret, stage)?.in_cgroup(&name).start()?;
        let contained = Self { container, policy, secret, permitted, kind, spec };
        contained.policy.holds(&contained.container, kind.rules())?;
        Ok(contained)
    }

    /// What attackers may have without being more than an ordinary container, and two capabilities with which some
    /// techniques begin.
    fn equipped<'p>(
        builder: ContainerBuilder<'p>,
        secret: &Secret,
        stage: &Stage<'p>,
    ) -> Result<ContainerBuilder<'p>> {
        let shared = stage.shared_folder("contained")?;
        Ok(builder
            .running(SERVER)
            .with_secret(secret, SECRET_AT)
            .with_writable(secret.folder(), "/creds-to-write")
            .with_writable(&shared, "/shared")
            .with_writable(&stage.cgroup_folder()?, "/cgroups")
            .with_second_proc("/mnt/proc")
            .with_env("DB_PASSWORD", "not-shown")
            .with_capability("CAP_DAC_READ_SEARCH")
            .with_capability("CAP_SYS_PTRACE"))
    }

    /// Ends the container and makes another one with its id, under the same policy.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn made_again(self, stage: &Stage<'_>) -> Result<Self> {
        let Self { container, policy, secret, permitted, kind, spec } = self;
        let (id, name) = (container.id().to_owned(), policy.name().to_owned());
        drop(container);
        let builder = Self::equipped(stage.container(), &secret, stage)?;
        let container = builder.in_cgroup(&name).named_as(&id).start()?;
        policy.holds(&container, kind.rules())?;
        Ok(Self { container, policy, secret, permitted, kind, spec })
    }

    /// Has the policy make an exception for other programs to read the secret, until this time.
    ///
    /// # Errors
    /// If it is refused.
    pub fn excepts_until(&self, time: WallTime) -> Result<()> {
        let who = format!("rule: {}, allow: {{ binary: {ACTOR} }}, owner: tests", rule::SECRET);
        let exception = format!("exceptions: {{ {who}, reason: to see it end, expires: {time} }}\n");
        self.policy.says(&(self.spec.clone() + &exception))
    }

    /// An ordinary workload is not disturbed: it reads its secret and reaches the secret's destination. From then on it
    /// is bound.
    ///
    /// # Errors
    /// If it is disturbed.
    pub fn serves(&self) -> Result<()> {
        let read = self.container.does("open", &[PASSWORD])?.went_through();
        let read = read.context("the permitted reader is disturbed")?;
        ensure!(read != "0", "the permitted reader has read nothing");
        let to = self.permitted.address().to_string();
        let reached = self.container.does("connect-tcp", &[&to])?.went_through();
        reached.context("the permitted destination is disturbed").map(drop)
    }

    /// Takes steps one after the other in one process of another program of the image, until one is refused.
    ///
    /// # Errors
    /// If the container does not answer.
    pub fn attacker(&self, steps: &[&[&str]]) -> Result<Reply> {
        self.runs(ACTOR, steps)
    }

    /// Takes steps one after the other in one process of a program, until one is refused.
    ///
    /// # Errors
    /// As [`Self::attacker`].
    pub fn runs(&self, program: &str, steps: &[&[&str]]) -> Result<Reply> {
        run(&self.container, program, steps)
    }

    /// As [`Self::attacker`], and meanwhile something happens to the secret, again and again.
    ///
    /// # Errors
    /// As [`Self::attacker`], or if that fails.
    pub fn attacker_while(
        &mut self,
        steps: &[&[&str]],
        mut meanwhile: impl FnMut(&mut Secret) -> Result<()>,
    ) -> Result<Reply> {
        let Self { container, secret, .. } = self;
        let container = &*container;
        thread::scope(|scope| {
            let attacker = scope.spawn(move || run(container, ACTOR, steps));
            while !attacker.is_finished() {
                meanwhile(secret)?;
            }
            attacker.join().map_err(|_| anyhow!("the thread of the attacker failed"))?
        })
    }

    /// The container; its main process is a permitted reader.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The secret, to do something to it.
    pub fn secret_mut(&mut self) -> &mut Secret {
        &mut self.secret
    }

    /// Where the secret may travel.
    pub fn permitted(&self) -> &Listener {
        &self.permitted
    }

    /// Name of the policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What the policy forbids.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

fn run(container: &Container, program: &str, steps: &[&[&str]]) -> Result<Reply> {
    let steps = steps.join(&"--");
    let words: Vec<&str> = ["do", "sequence"].into_iter().chain(steps).collect();
    container.runs(program, &words)
}
