//! The policy of the act: the file that is written and applied, and what is waited for.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cofferdam_model::{EnforcedBy, WallTime};
use cofferdam_tests::bench::wait::Look;
use cofferdam_tests::bench::{Agent, Place, until};

use super::RULE;
use crate::demo::image::{SERVER, SUPPORT};
use crate::demo::questions;
use crate::demo::street::Street;
use crate::demo::telling::Telling;

/// The file, and what it says without exceptions.
pub(super) struct Policy {
    file: PathBuf,
    text: String,
}

impl Policy {
    /// Only the server reads the key, and it may only travel to the payment service.
    pub(super) fn new(place: &Place, street: &Street) -> Self {
        let payments = street.payments.address();
        let text = format!(
            "apiVersion: cofferdam.dev/v1alpha1\n\
             kind: ContainmentPolicy\n\
             metadata: {{ name: shop }}\n\
             spec:\n\
             \u{20} selector: {{ container: \"shop-*\" }}\n\
             \u{20} mode: enforce\n\
             \u{20} secrets:\n\
             \u{20}   - id: {RULE}\n\
             \u{20}     secret: /run/secrets/stripe\n\
             \u{20}     readers: [ {{ binary: {SERVER} }} ]\n\
             \u{20}     destinations: [ {{ cidr: {}, ports: [ {} ], protocol: tcp }} ]\n",
            payments.ip(),
            payments.port(),
        );
        Self { file: place.path("shop.yaml"), text }
    }

    /// Somebody puts it into force.
    pub(super) fn applied(&self, telling: &Telling, agent: &Agent) -> Result<()> {
        telling.file(&self.text)?;
        self.apply(&self.text, telling, agent)
    }

    /// Somebody adds an exception for the support tool.
    pub(super) fn excepted_until(&self, end: WallTime, telling: &Telling, agent: &Agent) -> Result<()> {
        let exception = format!(
            "  exceptions:\n    - {{ rule: {RULE}, allow: {{ binary: {SUPPORT} }}, owner: oncall, reason: INC-1234,\n        \
             expires: {end} }}\n"
        );
        telling.file(&exception)?;
        self.apply(&format!("{}{exception}", self.text), telling, agent)
    }

    fn apply(&self, text: &str, telling: &Telling, agent: &Agent) -> Result<()> {
        fs::write(&self.file, text).with_context(|| format!("writing {}", self.file.display()))?;
        questions::ask(telling, agent, &["policy", "apply", &self.file.to_string_lossy()])
    }
}

/// Waits until the rule is in force on the container, its reader found; says what enforces it on reads.
pub(super) fn enforcer(agent: &Agent, container: &str) -> Result<EnforcedBy> {
    until("the policy to be in force", || {
        let status = agent.asked(|answers| answers.policy_status())?;
        let ours = |by: &EnforcedBy| matches!(by, EnforcedBy::Lsm | EnforcedBy::Fanotify);
        let of_it = status
            .rules
            .iter()
            .filter(|rule| rule.workload.as_deref() == Some(container) && rule.why.is_empty());
        let by = of_it.flat_map(|rule| &rule.effective).find(|by| ours(by)).copied();
        Ok(by.map_or_else(|| Look::NotYet(format!("there is {status:?}")), Look::Found))
    })
}
