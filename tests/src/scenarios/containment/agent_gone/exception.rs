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

pub(super) struct Workload {
    container: Container,
    secret: Secret,
}

pub(super) struct Excepted {
    workload: Workload,
    _policy: Policy,
}

impl Workload {
    pub(super) fn new(stage: &Stage<'_>) -> Result<Self> {
        let secret = secret(stage, NAME)?;
        Ok(Self { container: holder(stage, &secret, NAME)?, secret })
    }

    pub(super) fn begin(self, stage: &Stage<'_>) -> Result<Excepted> {
        let expires = after(2 * a_moment(stage)?)?;
        let spec = format!(
            "selector: {{ cgroup: \"{}\" }}\n\
             secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }} ] }}\n\
             exceptions: {{ rule: db, allow: {{ binary: {ATTACKER} }}, owner: tests, reason: to see it end, expires: {expires} }}\n",
            below(stage, NAME),
            self.secret.name(),
        );
        let policy = Policy::apply(stage.place(), stage.agent()?, NAME, &spec)?;
        attacker_reads(&self.container)?;
        Ok(Excepted { workload: self, _policy: policy })
    }
}

impl Excepted {
    pub(super) fn ends_meanwhile(&self) -> Result<()> {
        comes_to_be("the end of an exception while no agent runs", || {
            attacker_is_refused(&self.workload.container)
        })?;
        reads(&self.workload.container)
    }

    pub(super) fn has_ended(self, stage: &Stage<'_>) -> Result<()> {
        attacker_is_refused(&self.workload.container)?;
        audited(stage, AuditKind::ExceptionExpired, NAME, 1).map(drop)
    }
}
