//! What containment is tried on: containers that hold a secret, and what must be told of what they do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cofferdam_model::{AccessKind, AuditKind, AuditRow, DeniedBy, EnforcedBy, Verdict, WallTime};
use nix::errno::Errno;

use crate::actor::Reply;
use crate::bench::container::ACTOR;
use crate::bench::image::SERVER;
use crate::bench::wait::Look;
use crate::bench::{Container, Secret, until};
use crate::bypass::{Evidence, PASSWORD, SECRET_AT, Trace, Witness};
use crate::stage::{Stage, Went, listed};

/// A secret under a name that no other run on this machine has.
pub(super) fn secret(stage: &Stage<'_>, name: &str) -> Result<Secret> {
    stage.volume(&format!("{name}-{}", stage.place().digits()), &["password"])
}

/// A container with the secret, whose main process is the application's; every other program is an attacker's.
pub(super) fn holder(stage: &Stage<'_>, secret: &Secret, cgroup: &str) -> Result<Container> {
    stage.container().running(SERVER).in_cgroup(cgroup).with_secret(secret, SECRET_AT).start()
}

/// The paths of the containers in a cgroup of the run, as a policy selects them.
pub(super) fn below(stage: &Stage<'_>, cgroup: &str) -> String {
    format!("/{}/{cgroup}/*", stage.place().name())
}

/// The application reads the secret.
pub(super) fn reads(container: &Container) -> Result<()> {
    let read = container.does("open", &[PASSWORD])?.went_through()?;
    ensure!(read != "0", "it has read nothing");
    Ok(())
}

/// The application is refused the secret.
pub(super) fn is_refused(container: &Container) -> Result<()> {
    container.does("open", &[PASSWORD])?.was_refused_with(Errno::EPERM)
}

/// Another program of the image reads the secret.
pub(super) fn attacker_reads(container: &Container) -> Result<()> {
    container.child_does("open", &[PASSWORD])?.went_through().map(drop)
}

/// Another program of the image is refused the secret.
pub(super) fn attacker_is_refused(container: &Container) -> Result<()> {
    container.child_does("open", &[PASSWORD])?.was_refused_with(Errno::EPERM)
}

/// A step of a process that comes from outside: where unix sockets are cut as well, the main process cannot answer.
pub(super) fn within(container: &Container, step: &str, args: &[&str]) -> Result<Reply> {
    Ok(container.exec_session(step, args)?.reply)
}

/// Waits until something else than before is the case.
pub(super) fn comes_to_be(what: &str, is: impl Fn() -> Result<()>) -> Result<()> {
    until(what, || {
        Ok(match is() {
            Ok(()) => Look::Found(()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })
}

/// Who was watched from some moment on.
pub(super) struct Watched<'s, 't> {
    stage: &'s Stage<'t>,
    witness: Witness,
}

/// Watches what a container does about secrets from now on.
pub(super) fn watch<'s, 't>(stage: &'s Stage<'t>, container: &Container) -> Result<Watched<'s, 't>> {
    watch_for(stage, container, Trace::Access(AccessKind::Open))
}

/// Watches what a container does from now on.
pub(super) fn watch_for<'s, 't>(
    stage: &'s Stage<'t>,
    container: &Container,
    trace: Trace,
) -> Result<Watched<'s, 't>> {
    let witness = stage.agent()?.asked(|answers| Witness::new(answers, container.id(), trace))?;
    Ok(Watched { stage, witness })
}

impl Watched<'_, '_> {
    /// It is told that this rule (or order) of this policy (or owner) has refused, so often.
    pub(super) fn was_denied(&self, decider: (&str, &str), times: u64) -> Result<Evidence> {
        let told = self.tells(Verdict::Denied, decider, times)?;
        ensure!(told.denied_by == Some(DeniedBy::Us), "not we have refused: {told:?}");
        ensure!(told.enforced_by != EnforcedBy::ObserveOnly, "nothing enforces it: {told:?}");
        Ok(told)
    }

    /// It is told that this rule would refuse.
    pub(super) fn would_be_denied(&self, decider: (&str, &str)) -> Result<Evidence> {
        self.tells(Verdict::WouldDeny, decider, 1)
    }

    /// It is told that it passed by an exception to this rule.
    pub(super) fn passed_by_exception(&self, decider: (&str, &str)) -> Result<Evidence> {
        let told = self.tells(Verdict::Allowed, decider, 1)?;
        ensure!(told.exception, "it passed, but not by an exception: {told:?}");
        Ok(told)
    }

    fn tells(&self, verdict: Verdict, (policy, rule): (&str, &str), times: u64) -> Result<Evidence> {
        let is_it = |it: &Evidence| {
            it.verdict == verdict && it.rule.as_ref().is_some_and(|(by, of)| by == policy && of == rule)
        };
        until(&format!("{verdict} by {rule} of {policy} to be told"), || {
            let told = self.stage.agent()?.asked(|answers| self.witness.told(answers))?;
            let count: u64 = told.iter().filter(|it| is_it(it)).map(|it| it.count).sum();
            let found = told.iter().find(|it| is_it(it)).filter(|_| count >= times);
            Ok(found.map_or_else(
                || Look::NotYet(format!("{count} are told: {told:?}")),
                |it| Look::Found(it.clone()),
            ))
        })
    }
}

/// Waits until it is told that so much was done to this subject, and gives the latest of it.
pub(super) fn audited(stage: &Stage<'_>, what: AuditKind, subject: &str, times: usize) -> Result<AuditRow> {
    until(&format!("the audit to tell {what} of {subject}"), || {
        let rows = stage.agent()?.asked(|answers| answers.audit())?;
        let is_it = |row: &&AuditRow| row.what == what && row.subject.contains(subject);
        let found: Vec<&AuditRow> = rows.iter().filter(is_it).collect();
        ensure!(found.len() <= times, "it is told more than {times} times: {}", listed(&found));
        let latest = found.iter().max_by_key(|row| row.at).filter(|_| found.len() == times);
        Ok(latest.map_or_else(|| Look::NotYet(listed(&rows)), |row| Look::Found((**row).clone())))
    })
}

/// A time that suffices here to look at something a few times before it is over, also on a machine that stalls for some
/// seconds, and is not much more.
pub(super) fn a_moment(stage: &Stage<'_>) -> Result<Duration> {
    let begun = Instant::now();
    stage.agent()?.asked(|answers| answers.policy_status())?;
    Ok(Duration::from_secs(6 + (8 * begun.elapsed()).as_secs()))
}

/// The time after so long.
pub(super) fn after(time: Duration) -> Result<WallTime> {
    let nanos = i64::try_from(time.as_nanos()).context("a time beyond any")?;
    Ok(WallTime::from_nanos(WallTime::now().as_nanos() + nanos))
}

/// The program that attackers have.
pub(super) const ATTACKER: &str = ACTOR;
