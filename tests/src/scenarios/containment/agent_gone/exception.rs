//! An exception ends in the kernel, at its time.

use anyhow::Result;
use cofferdam_model::AuditKind;

use super::kit::{
    ATTACKER, a_moment, after, attacker_is_refused, attacker_reads, audited, below, comes_to_be, holder,
    reads, secret,
};
use crate::bench::image::SERVER;
use crate::bench::{Container, Policy, Secret};
use crate::stage::Stage;

const NAME: &str = "excepting-meanwhile";

pub(super) struct Excepted {
    container: Container,
    _policy: Policy,
    _secret: Secret,
}

impl Excepted {
    pub(super) fn begin(stage: &Stage<'_>) -> Result<Self> {
        let secret = secret(stage, NAME)?;
        let container = holder(stage, &secret, NAME)?;
        let spec = format!(
            "selector: {{ cgroup: \"{}\" }}\n\
             secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }} ] }}\n\
             exceptions: {{ rule: db, allow: {{ binary: {ATTACKER} }}, owner: tests, reason: to see it end, expires: {} }}\n",
            below(stage, NAME),
            secret.name(),
            after(a_moment(stage)?)?,
        );
        let policy = Policy::apply(stage.place(), stage.agent()?, NAME, &spec)?;
        attacker_reads(&container)?;
        Ok(Self { container, _policy: policy, _secret: secret })
    }

    pub(super) fn ends_meanwhile(&self) -> Result<()> {
        comes_to_be("the end of an exception while no agent runs", || attacker_is_refused(&self.container))?;
        reads(&self.container)
    }

    pub(super) fn has_ended(self, stage: &Stage<'_>) -> Result<()> {
        attacker_is_refused(&self.container)?;
        audited(stage, AuditKind::ExceptionExpired, NAME, 1).map(drop)
    }
}
