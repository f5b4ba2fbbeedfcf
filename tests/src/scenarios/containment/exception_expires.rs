//! An exception lets pass what a rule refuses, each use is told by its name, and it ends by itself; applying the same
//! file again does not renew it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cofferdam_api::{ExceptionStatus, Explanation};
use cofferdam_model::{AuditKind, WallTime};

use super::kit::{
    ATTACKER, a_moment, after, attacker_is_refused, attacker_reads, audited, below, comes_to_be, holder,
    reads, secret, watch,
};
use crate::bench::image::SERVER;
use crate::bench::{Container, Policy};
use crate::stage::{PerTier, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario::new("containment/exception-expires", PerTier::SEEN, play);

const DECIDER: (&str, &str) = ("excepting", "db");
/// Beyond what an exception may last.
const TOO_LONG: Duration = Duration::from_hours(31 * 24);

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = secret(stage, "excepted")?;
    let container = holder(stage, &secret, "excepting")?;
    let strict = format!(
        "selector: {{ cgroup: \"{}\" }}\n\
         secrets: {{ id: db, secret: {}, readers: [ {{ binary: {SERVER} }} ] }}\n",
        below(stage, "excepting"),
        secret.name()
    );
    let policy = Policy::apply(stage.place(), stage.agent()?, DECIDER.0, &strict)?;
    policy.holds(&container, &["db"])?;
    attacker_is_refused(&container)?;

    let watched = watch(stage, &container)?;
    let first = excepting(&strict, after(a_moment(stage)?)?);
    policy.says(&first)?;
    attacker_reads(&container)?;
    let passed = watched.passed_by_exception(DECIDER)?;
    audited(stage, AuditKind::ExceptionAccepted, DECIDER.0, 1)?;
    let accepted = status(stage)?.accepted;
    ends(stage, &container, 1)?;
    is_explained(stage, &passed.event)?;

    policy.says(&first)?;
    attacker_is_refused(&container)?;
    policy.says(&excepting(&strict, after(a_moment(stage)?)?))?;
    attacker_reads(&container)?;
    ends(stage, &container, 2)?;
    audited(stage, AuditKind::ExceptionAccepted, DECIDER.0, 1)?;
    let again = status(stage)?.accepted;
    ensure!(again == accepted, "its days count from {again} and no more from {accepted}");
    let refused = policy.says(&excepting(&strict, after(TOO_LONG)?)).map_err(|error| format!("{error:#}"));
    ensure!(refused.as_ref().is_err_and(|why| why.contains("30 days")), "31 days: {refused:?}");
    attacker_is_refused(&container)?;
    reads(&container)?;
    stage.nothing_fails_open()
}

fn excepting(strict: &str, expires: WallTime) -> String {
    let who = format!("rule: db, allow: {{ binary: {ATTACKER} }}, owner: tests");
    format!("{strict}exceptions: {{ {who}, reason: to see it end, expires: {expires} }}\n")
}

fn is_explained(stage: &Stage<'_>, event: &str) -> Result<()> {
    let told: Explanation =
        stage.agent()?.asked(|answers| answers.json(&["policy", "explain", "--event", event]))?;
    let why = told.why.iter().any(|why| why.contains("by an exception") && why.contains("to see it end"));
    ensure!(why && told.rule.as_deref() == Some(DECIDER.1), "what passed is explained as {told:?}");
    Ok(())
}

/// The exception ends; that is told, and what it let pass is denied.
fn ends(stage: &Stage<'_>, container: &Container, times: usize) -> Result<()> {
    let watched = watch(stage, container)?;
    comes_to_be("the end of the exception", || attacker_is_refused(container))?;
    watched.was_denied(DECIDER, 1)?;
    let told = audited(stage, AuditKind::ExceptionExpired, DECIDER.0, times)?;
    ensure!(told.detail.contains("to see it end"), "its end is told as {told:?}");
    let status = status(stage)?;
    ensure!(status.expired, "the status does not tell its end: {status:?}");
    Ok(())
}

fn status(stage: &Stage<'_>) -> Result<ExceptionStatus> {
    let mut all = stage.agent()?.asked(|answers| answers.policy_status())?.exceptions;
    all.retain(|it| it.policy == DECIDER.0);
    all.pop().filter(|_| all.is_empty()).context("the status must tell of one exception")
}
