//! What is tried on a configured folder by a workload that can write beside it and above it.

use std::fs;

use anyhow::{Context, Result};
use cofferdam_model::AccessKind;
use nix::errno::Errno;

use crate::actor::Reply;
use crate::bench::image::SERVER;
use crate::bench::wait::Look;
use crate::bench::{Agent, AgentOptions, Container, Policy, until};
use crate::bypass::{Attack, Came, Trace, rule};
use crate::stage::Went;

/// By which name the folder is configured.
const NAME: &str = "roots/tree";

/// A workload with the folder `/data/above/tree`, in which the secret `password` lies, and `/data/public/tree`, in which
/// a file of this name is none.
pub(super) struct Rooted {
    pub(super) agent: Agent,
    pub(super) container: Container,
    policy: Policy,
}

impl Rooted {
    pub(super) fn new(attack: &Attack<'_, '_>, name: &str) -> Result<Self> {
        let folder = attack.stage().shared_folder(name)?;
        for part in ["above/tree", "public/tree"] {
            let at = folder.join(part);
            fs::create_dir_all(&at)
                .and_then(|()| fs::write(at.join("password"), "not shown"))
                .with_context(|| format!("filling {}", at.display()))?;
        }
        let secrets = vec![(NAME.to_owned(), folder.join("above/tree"))];
        let agent = attack.stage().own_agent(&AgentOptions { secrets, ..AgentOptions::default() })?;
        let stage = attack.stage().watched_by(&agent);
        let spec = format!(
            "selector: {{ cgroup: \"/{}/{name}/*\" }}\n\
             secrets: {{ id: {}, secret: {NAME}, readers: [ {{ binary: {SERVER} }} ] }}\n",
            stage.place().name(),
            rule::SECRET,
        );
        let policy = Policy::apply(stage.place(), &agent, name, &spec)?;
        let builder = stage.container().running(SERVER).in_cgroup(name);
        let container = builder.with_writable(&folder, "/data").start()?;
        policy.holds(&container, &[rule::SECRET])?;
        let this = Self { agent, container, policy };
        this.attacker("open", &["/data/above/tree/password"])?.was_refused_with(Errno::EPERM)?;
        Ok(this)
    }

    /// Another program than the permitted one takes a step.
    pub(super) fn attacker(&self, step: &str, args: &[&str]) -> Result<Reply> {
        self.container.child_does(step, args)
    }

    /// Makes the folder anew, and waits until what is put there is known as a secret.
    pub(super) fn made_anew(&self) -> Result<()> {
        // Filled before it has the name: from the moment it has it, it may be watched, and then no one writes there.
        self.attacker("folder", &["/data/above/anew"])?.went_through()?;
        self.attacker("write", &["/data/above/anew/bait", "600", "x"])?.went_through()?;
        self.attacker("rename", &["/data/above/anew", "/data/above/tree"])?.went_through()?;
        until("the new folder to be watched", || {
            let opened = self.attacker("open", &["/data/above/tree/bait"])?;
            Ok(if opened.ok { Look::NotYet("it can be opened".to_owned()) } else { Look::Found(()) })
        })?;
        self.attacker("open", &["/data/above/tree/bait"])?.was_refused_with(Errno::EPERM)
    }

    /// Says what comes of a step that is to reach the secret.
    pub(super) fn comes_to(
        &self,
        attack: &Attack<'_, '_>,
        how: AccessKind,
        step: &str,
        args: &[&str],
    ) -> Result<Came> {
        let stage = attack.stage().watched_by(&self.agent);
        stage.everything_has_arrived(&self.container)?;
        let decider = Some((self.policy.name(), rule::SECRET));
        let attack = attack.told_by(&stage);
        attack.by(&self.container, Trace::Access(how), decider, || self.attacker(step, args))
    }
}
