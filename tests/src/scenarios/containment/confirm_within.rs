//! A policy that nobody confirms in time gives way to what was in force before; one that is confirmed stays.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cofferdam_model::AuditKind;

use super::kit::{
    ATTACKER, a_moment, attacker_is_refused, attacker_reads, audited, below, comes_to_be, holder, reads,
    secret,
};
use crate::bench::Policy;
use crate::bench::image::SERVER;
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario =
    Scenario::new("containment/confirm-within", PerTier::SEEN, play).of_user_space();

const NAME: &str = "confirmed";
/// What the agent needs beyond the time to look at it.
const LEEWAY: Duration = Duration::from_millis(1_500);

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = secret(stage, "confirmed")?;
    let container = holder(stage, &secret, NAME)?;
    let spec = |readers: &str| {
        format!(
            "selector: {{ cgroup: \"{}\" }}\n\
             secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }}, {{ binary: {readers} }} ] }}\n",
            below(stage, NAME),
            secret.name()
        )
    };
    let (both, one) = (spec(ATTACKER), spec(SERVER));
    let policy = Policy::apply(stage.place(), stage.agent()?, NAME, &both)?;
    policy.holds(&container, &["db"])?;
    attacker_reads(&container)?;

    policy.says_for(a_moment(stage)?, &one)?;
    attacker_is_refused(&container)?;
    reads(&container)?;
    comes_to_be("the policy to roll itself back", || attacker_reads(&container))?;
    let told = audited(stage, AuditKind::PolicyRolledBack, NAME, 1)?;
    ensure!(told.by.is_none(), "it rolled back by itself, and is told to by {told:?}");
    ensure!(policy.confirm().is_err(), "what was rolled back can be confirmed");

    let time = a_moment(stage)?;
    let end = Instant::now() + time + LEEWAY;
    policy.says_for(time, &one)?;
    attacker_is_refused(&container)?;
    policy.confirm()?;
    audited(stage, AuditKind::PolicyConfirmed, NAME, 1)?;
    sleep(end.saturating_duration_since(Instant::now()));
    attacker_is_refused(&container)?;
    audited(stage, AuditKind::PolicyRolledBack, NAME, 1)?;
    stage.nothing_fails_open()
}
