//! Nobody works inside a container, until somebody says who, why and until when.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use cofferdam_api::RuleKind;
use cofferdam_model::{AccessKind, AttemptKind, WallTime};

use super::kit::{Edited, Trial};
use crate::bench::until;
use crate::bench::wait::Look;
use crate::bypass::{PASSWORD, Trace};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const SCENARIO: Scenario = Scenario::new("shipped/break-glass", PerTier::SEEN, play);

const SHIPPED: &str = include_str!("../../../../profiles/policies/break-glass.yaml");

/// How long the glass stays broken.
const LASTING: Duration = Duration::from_secs(12);

fn play(stage: &Stage<'_>) -> Result<()> {
    let secret = stage.volume(&format!("prod-secrets-{}", stage.place().digits()), &["password"])?;
    one_has_come_and_gone(stage)?;
    let selector = "selector: { container: \"prod-*\" }";
    let rules = ["secrets", "sessions"];
    let trial = Trial::new(stage, &Edited::new(SHIPPED), selector, Some(&secret), &rules)?;
    trial.reads_its_secret()?;
    is_closed(&trial)?;

    let end = SystemTime::now() + LASTING;
    let opened = trial
        .edited()
        .uncommented()
        .everywhere("expires: 2026-12-01T00:00:00Z", &format!("expires: {}", moment(end)?))?;
    trial.applies(&opened)?;
    until("the glass to be broken", || {
        let told = trial.container().exec_session("open", &[PASSWORD]).map(|session| session.reply);
        let is_open = told.as_ref().is_ok_and(|reply| reply.ok);
        Ok(if is_open { Look::Found(()) } else { Look::NotYet(format!("{told:?}")) })
    })?;
    trial.reads_its_secret()?;

    sleep(end.duration_since(SystemTime::now()).unwrap_or_default());
    trial.reads_its_secret()?;
    is_closed(&trial)?;
    trial.ends()
}

/// The rule speaks of every secret; one that nobody can open any more must not keep it from holding.
fn one_has_come_and_gone(stage: &Stage<'_>) -> Result<()> {
    let mut secret = stage.volume(&format!("gone-{}", stage.place().digits()), &["password"])?;
    let container = stage.container().with_secret(&secret, "/run/gone").start()?;
    container.does("open", &["/run/gone/password"])?.went_through()?;
    // As when a pod is being deleted: first from the host, then with its container.
    secret.unmount();
    fs::remove_dir(secret.folder()).with_context(|| format!("removing {}", secret.folder().display()))
}

/// Who comes from outside executes nothing, or at least reads nothing.
fn is_closed(trial: &Trial<'_, '_>) -> Result<()> {
    trial.stops_somehow(("sessions", RuleKind::Exec), Trace::Attempt(AttemptKind::Execute), || {
        let came = trial.container().exec_session("pid", &[]);
        ensure!(came.is_err(), "somebody came in from outside: {came:?}");
        Ok(())
    })?;
    trial.stops(("secrets", RuleKind::Secret), Trace::Access(AccessKind::Open), || {
        trial.other_program(&["open", PASSWORD])
    })?;
    let session = trial.container().exec_session("open", &[PASSWORD]);
    ensure!(
        session.is_err() || session.is_ok_and(|it| !it.reply.ok),
        "somebody from outside reads the secret"
    );
    Ok(())
}

fn moment(time: SystemTime) -> Result<WallTime> {
    let since = time.duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(WallTime::from_nanos(i64::try_from(since.as_nanos()).context("the clock is beyond its range")?))
}
