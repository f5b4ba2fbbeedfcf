//! What nobody has confirmed when its time is over is rolled back by the next agent; until then it holds. What still
//! has time keeps it, and can be confirmed.

use std::time::Duration;

use anyhow::Result;
use cofferdam_model::AuditKind;

use super::kit::{
    a_moment, attacker_is_refused, attacker_reads, audited, below, comes_to_be, holder, secret,
};
use crate::bench::image::SERVER;
use crate::bench::{Container, Policy, Secret};
use crate::stage::Stage;

const SHORT: &str = "unconfirmed-short";
const LONG: &str = "unconfirmed-long";
/// Beyond the end of the test.
const LONG_TIME: Duration = Duration::from_hours(1);

pub(super) struct Workloads {
    short: Container,
    long: Container,
    secret: Secret,
}

pub(super) struct Unconfirmed {
    workloads: Workloads,
    _short: Policy,
    long: Policy,
}

impl Workloads {
    pub(super) fn new(stage: &Stage<'_>) -> Result<Self> {
        let secret = secret(stage, "unconfirmed")?;
        let (short, long) = (holder(stage, &secret, SHORT)?, holder(stage, &secret, LONG)?);
        Ok(Self { short, long, secret })
    }

    pub(super) fn begin(self, stage: &Stage<'_>) -> Result<Unconfirmed> {
        let applied = |container: &Container, name: &str, within: Duration| {
            attacker_reads(container)?;
            let spec = format!(
                "selector: {{ cgroup: \"{}\" }}\n\
                 secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }} ] }}\n",
                below(stage, name),
                self.secret.name(),
            );
            Policy::apply_for(stage.place(), stage.agent()?, name, within, &spec)
        };
        let long = applied(&self.long, LONG, LONG_TIME)?;
        let short = applied(&self.short, SHORT, 2 * a_moment(stage)?)?;
        Ok(Unconfirmed { workloads: self, _short: short, long })
    }
}

impl Unconfirmed {
    pub(super) fn holds_meanwhile(&self) -> Result<()> {
        attacker_is_refused(&self.workloads.short)?;
        attacker_is_refused(&self.workloads.long)
    }

    pub(super) fn rolls_back(self, stage: &Stage<'_>) -> Result<()> {
        let Workloads { short, long, .. } = &self.workloads;
        comes_to_be("the policy to be rolled back", || attacker_reads(short))?;
        audited(stage, AuditKind::PolicyRolledBack, SHORT, 1)?;
        attacker_is_refused(long)?;
        self.long.confirm()?;
        attacker_is_refused(long)
    }
}
