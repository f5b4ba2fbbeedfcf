//! What the agent has in force: policies that are checked have to get along with it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use cofferdam_api::TextInForce;
use cofferdam_model::WallTime;
use cofferdam_policy::{Acceptance, Policy, parse};

use super::Run;

/// Policies in force.
#[derive(Debug, Default)]
pub(super) struct InForce {
    /// As this command line understands them.
    pub(super) policies: Vec<Policy>,
    /// When exceptions were first accepted, by their keys.
    pub(super) accepted: BTreeMap<String, WallTime>,
}

impl Run<'_> {
    pub(super) fn in_force(&self, now: WallTime) -> Result<InForce> {
        let said = self.agent("policy check")?.ask(async |client| client.policy_texts().await)?;
        let accepted = said.accepted.into_iter().map(|it| (it.exception, it.at)).collect();
        let mut policies = Vec::new();
        for TextInForce { names, text } in said.texts {
            let acceptance = Acceptance { now, first: &accepted };
            let all = parse(Path::new(&text.source), &text.text, acceptance).with_context(|| {
                format!("understand {} as the agent has it in force; are both of one version?", text.source)
            })?;
            policies.extend(all.into_iter().filter(|it| names.iter().any(|name| name == it.name())));
        }
        Ok(InForce { policies, accepted })
    }
}
