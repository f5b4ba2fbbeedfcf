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

pub(super) struct Unconfirmed {
    short: (Container, Policy),
    long: (Container, Policy),
    _secret: Secret,
}

impl Unconfirmed {
    pub(super) fn begin(stage: &Stage<'_>) -> Result<Self> {
        let secret = secret(stage, "unconfirmed")?;
        let begun = |name: &str, within: Duration| {
            let container = holder(stage, &secret, name)?;
            attacker_reads(&container)?;
            let spec = format!(
                "selector: {{ cgroup: \"{}\" }}\n\
                 secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }} ] }}\n",
                below(stage, name),
                secret.name(),
            );
            let policy = Policy::apply_for(stage.place(), stage.agent()?, name, within, &spec)?;
            attacker_is_refused(&container)?;
            anyhow::Ok((container, policy))
        };
        let long = begun(LONG, LONG_TIME)?;
        Ok(Self { short: begun(SHORT, a_moment(stage)?)?, long, _secret: secret })
    }

    pub(super) fn holds_meanwhile(&self) -> Result<()> {
        attacker_is_refused(&self.short.0)?;
        attacker_is_refused(&self.long.0)
    }

    pub(super) fn rolls_back(self, stage: &Stage<'_>) -> Result<()> {
        let Self { short: (short, _gone), long: (long, policy), .. } = self;
        comes_to_be("the policy to be rolled back", || attacker_reads(&short))?;
        audited(stage, AuditKind::PolicyRolledBack, SHORT, 1)?;
        attacker_is_refused(&long)?;
        policy.confirm()?;
        attacker_is_refused(&long)
    }
}
