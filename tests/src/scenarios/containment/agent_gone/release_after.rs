//! A rule that is to be released without an agent only observes from then on, and enforces again with the next one.

use anyhow::Result;

use super::kit::{attacker_is_refused, attacker_reads, below, comes_to_be, holder, secret, watch};
use crate::bench::image::SERVER;
use crate::bench::{Container, Policy, Secret};
use crate::stage::Stage;

const NAME: &str = "releasing";

pub(super) struct Releasing {
    container: Container,
    _policy: Policy,
    _secret: Secret,
}

impl Releasing {
    pub(super) fn begin(stage: &Stage<'_>) -> Result<Self> {
        let secret = secret(stage, NAME)?;
        let container = holder(stage, &secret, NAME)?;
        let spec = format!(
            "selector: {{ cgroup: \"{}\" }}\n\
             secrets:\n\
             \u{20} - id: db\n\
             \u{20}   secret: {}\n\
             \u{20}   readers: [ {{ binary: {SERVER} }} ]\n\
             \u{20}   onAgentLoss: {{ releaseAfter: 5s }}\n",
            below(stage, NAME),
            secret.name(),
        );
        let policy = Policy::apply(stage.place(), stage.agent()?, NAME, &spec)?;
        policy.holds(&container, &["db"])?;
        attacker_is_refused(&container)?;
        Ok(Self { container, _policy: policy, _secret: secret })
    }

    pub(super) fn is_released_meanwhile(&self) -> Result<()> {
        comes_to_be("the rule to be released", || attacker_reads(&self.container))
    }

    pub(super) fn holds_again(self, stage: &Stage<'_>) -> Result<()> {
        let watched = watch(stage, &self.container)?;
        comes_to_be("the rule to enforce again", || attacker_is_refused(&self.container))?;
        watched.was_denied((NAME, "db"), 1).map(drop)
    }
}
