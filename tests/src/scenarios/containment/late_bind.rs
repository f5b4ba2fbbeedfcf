//! A container that starts while the agent stands still is bound late: that is told, and it is bound from then on.

use anyhow::{Result, ensure};
use cofferdam_model::AuditKind;

use super::kit::{attacker_is_refused, audited, below, holder, reads, secret};
use crate::bench::Policy;
use crate::bench::image::SERVER;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario =
    Scenario::new("containment/late-bind", PerTier::SEEN, play).of_user_space();

const NAME: &str = "late";

fn play(stage: &Stage<'_>) -> Result<()> {
    let agent = stage.agent()?;
    let secret = secret(stage, NAME)?;
    let spec = format!(
        "selector: {{ cgroup: \"{}\" }}\n\
         secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }} ] }}\n",
        below(stage, NAME),
        secret.name(),
    );
    let policy = Policy::apply(stage.place(), agent, NAME, &spec)?;
    agent.pause()?;
    let late = holder(stage, &secret, NAME);
    agent.go_on()?;
    let late = late?;

    let digits = &late.id()[..12];
    audited(stage, AuditKind::LateBind, digits, 1)?;
    policy.holds(&late, &["db"])?;
    attacker_is_refused(&late)?;
    reads(&late)?;
    let status = agent.asked(|answers| answers.policy_status())?;
    let is_its = |name: &Option<String>| name.as_ref().is_some_and(|it| it.contains(digits));
    let mut its = status.rules.iter().filter(|rule| is_its(&rule.workload));
    ensure!(its.all(|rule| rule.late_bind), "`policy status` does not say that it was late: {status:?}");
    stage.nothing_fails_open()?;
    policy.lift()
}
