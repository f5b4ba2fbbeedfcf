//! A secret that is exclusive is denied to every other workload of the node: to those that ran before the policy, to
//! those that start later, and not to the host.

use std::fs;

use anyhow::{Context, Result};

use super::kit::{
    attacker_is_refused, attacker_reads, below, comes_to_be, holder, is_refused, reads, secret, watch,
};
use crate::bench::{Policy, Secret};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/exclusive", PerTier::SEEN, play);

const DECIDER: (&str, &str) = ("exclusive", "db");

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = secret(stage, "exclusive")?;
    let (owner, earlier) = (holder(stage, &secret, "owner")?, holder(stage, &secret, "stranger")?);
    reads(&earlier)?;
    let spec = |mode: &str| {
        format!(
            "selector: {{ cgroup: \"{}\" }}\n\
             mode: {mode}\n\
             secrets: {{ id: db, secret: {}, readers: any, exclusive: true }}\n",
            below(stage, "owner"),
            secret.name()
        )
    };
    let policy = Policy::apply(stage.place(), stage.agent()?, DECIDER.0, &spec("observe"))?;
    policy.holds(&owner, &["db"])?;
    let watched = watch(stage, &earlier)?;
    reads(&earlier)?;
    watched.would_be_denied(DECIDER)?;

    policy.says(&spec("enforce"))?;
    let watched = watch(stage, &earlier)?;
    is_refused(&earlier)?;
    attacker_is_refused(&earlier)?;
    watched.was_denied(DECIDER, 2)?;
    let later = holder(stage, &secret, "stranger")?;
    is_refused(&later)?;
    reads(&owner)?;
    attacker_reads(&owner)?;
    on_the_host(&secret)?;

    policy.lift()?;
    comes_to_be("the secret to be anybody's", || reads(&earlier).and_then(|()| reads(&later)))?;
    stage.nothing_fails_open()
}

/// The kubelet must be able to publish it.
fn on_the_host(secret: &Secret) -> Result<()> {
    fs::read(secret.folder().join("password")).context("the host is refused its own secret").map(drop)
}
