//! What is tried from a container that no policy speaks of, not even another workload's that is exclusive.

use anyhow::Result;

use crate::bench::wait::Look;
use crate::bench::{Container, Policy, until};
use crate::bypass::{Attack, rule};
use crate::stage::Stage;

/// Name of the policy.
pub(super) const POLICY: &str = "to-itself";

/// The stage before any policy: those of other techniques speak of every container of the node.
pub(super) fn stage<'s, 't>(attack: &Attack<'s, 't>) -> Result<&'s Stage<'t>> {
    let stage = attack.stage();
    until("the node to be without a policy", || {
        let rules = stage.agent()?.asked(|answers| answers.policy_status())?.rules;
        Ok(if rules.is_empty() { Look::Found(()) } else { Look::NotYet(format!("there is {rules:?}")) })
    })?;
    Ok(stage)
}

/// A workload under a policy that says nothing to others.
pub(super) struct Target {
    pub(super) container: Container,
    _policy: Policy,
}

impl Target {
    pub(super) fn new(stage: &Stage<'_>) -> Result<Self> {
        let spec = format!(
            "selector: {{ cgroup: \"/{}/{POLICY}/*\" }}\n\
             environment: {{ id: {}, read: own }}\n\
             memory: {{ id: {}, attach: deny }}\n",
            stage.place().name(),
            rule::ENVIRONMENT,
            rule::MEMORY,
        );
        let policy = Policy::apply(stage.place(), stage.agent()?, POLICY, &spec)?;
        let container = stage.container().in_cgroup(POLICY).with_env("DB_PASSWORD", "not-shown").start()?;
        policy.holds(&container, &[rule::ENVIRONMENT, rule::MEMORY])?;
        Ok(Self { container, _policy: policy })
    }

    /// A container that shares its processes, and is in no policy.
    pub(super) fn neighbour(&self, stage: &Stage<'_>) -> Result<Container> {
        let builder = stage.container().sharing_processes_of(&self.container);
        builder.with_capability("CAP_SYS_PTRACE").start()
    }
}

/// What the kernel tells of a descriptor under this name, of all that it tells in `/proc/<pid>/fdinfo`.
pub(super) fn fact<'a>(facts: &'a str, name: &str) -> Option<&'a str> {
    facts.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
