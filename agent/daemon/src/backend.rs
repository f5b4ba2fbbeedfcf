//! Answers to the command line: rows from the journal, the agent's own state from a snapshot.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cofferdam_api::{
    Backend, BackendError, CheckResult, Doctor, Ending, Event, HookState, Live, Rows, Status, TimelineParts,
};
use cofferdam_journal::Reader;
use cofferdam_model::{
    AccessRow, Answer, AttemptRow, AuditRow, BootTime, ConnectionRow, DetectionRow, Filter, Peer, SecretRow,
    WorkloadRow,
};
use cofferdam_sensor::probe::{self, Outcome};
use cofferdam_sensor::{AttachState, BLIND_SPOTS, HookReport, Tier};

use crate::containment::answer::Line;
use crate::door::Door;
use crate::host;

/// The pipeline records at least once a second; an agent that has not for so long is held up.
const BEHIND: Duration = Duration::from_secs(3);
/// Rows of one answer while the agent runs: they are held in its memory. A copied journal is asked without it.
const MOST_ROWS: usize = 20_000;

/// What the pipeline leaves for those who answer.
pub type Shared<T> = Arc<Mutex<T>>;

/// How far the journal goes.
#[derive(Debug, Default)]
pub struct Progress {
    /// The pipeline has recorded everything that it was told until then.
    pub until: Option<BootTime>,
    /// Why the journal lacks what happens now, if it cannot be written.
    pub trouble: Option<String>,
}

impl Progress {
    /// Why an answer lacks the latest, if it does.
    fn shortfall(&self, now: BootTime) -> Option<String> {
        let behind = self.until.map(|until| now.since(until)).filter(|behind| *behind > BEHIND);
        let held_up = behind
            .map(|behind| format!("nothing was recorded for {} s: the agent is held up", behind.as_secs()));
        self.trouble.clone().or(held_up)
    }
}

/// Answers.
pub struct Answers {
    /// Where the journal lies.
    pub journal: PathBuf,
    /// The agent's own state; the pipeline renews it every second.
    pub status: Shared<Option<Status>>,
    /// How far the journal goes.
    pub progress: Shared<Progress>,
    /// What became of the hooks.
    pub hooks: Vec<HookReport>,
    /// The tier.
    pub tier: Tier,
    /// Why no better tier works here.
    pub no_better: Option<String>,
    /// Live events.
    pub live: Live,
    /// The agent's own thread.
    pub line: Line,
    /// Who may ask.
    pub door: Door,
}

impl Answers {
    fn reader(&self) -> Result<Reader, BackendError> {
        let reader = Reader::open(&self.journal).map_err(failed)?;
        Ok(reader.with_most_rows(MOST_ROWS))
    }

    /// The answer as far as the journal goes; what waits to be written to it is not in it.
    fn honest<Row>(&self, mut answer: Answer<Row>) -> Answer<Row> {
        if let Some(shortfall) = lock(&self.progress).shortfall(host::boot_time()) {
            answer.completeness.complete = false;
            answer.completeness.reasons.push(format!("the journal lacks the latest: {shortfall}"));
        }
        answer
    }
}

/// Locks, also after a panic elsewhere: what is shared is replaced as a whole and cannot be half written.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn failed(error: cofferdam_journal::Error) -> BackendError {
    BackendError::Failed(Box::new(error))
}

impl Backend for Answers {
    fn admits(&self, peer: Peer) -> Result<(), String> {
        self.door.admits(peer)
    }

    fn accesses(&self, filter: &Filter, rows: &mut Rows<'_, AccessRow>) -> Result<Ending, BackendError> {
        rows.answer(self.honest(self.reader()?.accesses(filter).map_err(failed)?))
    }

    fn connections(
        &self,
        filter: &Filter,
        rows: &mut Rows<'_, ConnectionRow>,
    ) -> Result<Ending, BackendError> {
        rows.answer(self.honest(self.reader()?.connections(filter).map_err(failed)?))
    }

    fn timeline(&self, filter: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError> {
        let timeline = self.reader()?.timeline(filter).map_err(failed)?;
        rows.timeline(TimelineParts {
            processes: timeline.processes,
            accesses: self.honest(timeline.accesses),
            connections: timeline.connections,
            attempts: timeline.attempts,
            audits: timeline.audits,
            detections: timeline.detections,
            losses: timeline.losses,
        })
    }

    fn detections(&self, filter: &Filter, rows: &mut Rows<'_, DetectionRow>) -> Result<Ending, BackendError> {
        rows.answer(self.honest(self.reader()?.detections(filter).map_err(failed)?))
    }

    fn attempts(&self, filter: &Filter, rows: &mut Rows<'_, AttemptRow>) -> Result<Ending, BackendError> {
        rows.answer(self.honest(self.reader()?.attempts(filter).map_err(failed)?))
    }

    fn audits(&self, filter: &Filter, rows: &mut Rows<'_, AuditRow>) -> Result<Ending, BackendError> {
        rows.answer(self.honest(self.reader()?.audits(filter).map_err(failed)?))
    }

    fn denials(&self, filter: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError> {
        let denials = self.reader()?.denials(filter).map_err(failed)?;
        rows.denials(self.honest(denials.accesses), denials.connections, denials.attempts, filter.limit)
    }

    fn workloads(&self, filter: &Filter, rows: &mut Rows<'_, WorkloadRow>) -> Result<Ending, BackendError> {
        rows.answer(self.honest(self.reader()?.workloads(filter).map_err(failed)?))
    }

    fn secrets(&self, filter: &Filter, rows: &mut Rows<'_, SecretRow>) -> Result<Ending, BackendError> {
        rows.answer(self.honest(self.reader()?.secrets(filter).map_err(failed)?))
    }

    fn status(&self) -> Result<Status, BackendError> {
        let mut status = lock(&self.status).clone().ok_or(BackendError::NotReady)?;
        let shortfall = lock(&self.progress).shortfall(host::boot_time());
        let known = shortfall.as_ref().is_some_and(|shortfall| status.journal.errors.contains(shortfall));
        status.journal.errors.extend(shortfall.filter(|_| !known));
        status.watchers = u32::try_from(self.live.watchers()).unwrap_or(u32::MAX);
        Ok(status)
    }

    fn doctor(&self) -> Result<Doctor, BackendError> {
        Ok(doctor(&self.hooks, self.tier, self.no_better.as_deref()))
    }

    fn live(&self) -> &Live {
        &self.live
    }
}

/// The tier in the interface's words.
pub fn tier(tier: Tier) -> cofferdam_api::Tier {
    match tier {
        Tier::Lsm => cofferdam_api::Tier::Lsm,
        Tier::Tracepoint => cofferdam_api::Tier::Tracepoint,
    }
}

fn doctor(hooks: &[HookReport], found: Tier, no_better: Option<&str>) -> Doctor {
    let checks: Vec<probe::Check> = probe::host();
    let kernel = checks.iter().find(|check| check.name == "kernel").map(|check| check.found.clone());
    let reasons = no_better.map(|reason| format!("the lsm tier does not work here: {reason}"));
    Doctor {
        kernel: kernel.unwrap_or_default(),
        tier: Some(tier(found)),
        reasons: reasons.into_iter().collect(),
        hooks: hooks.iter().map(|hook| report(hook, found)).collect(),
        checks: checks.into_iter().map(check).collect(),
        blind_spots: BLIND_SPOTS
            .iter()
            .filter(|spot| spot.tier == found)
            .map(|spot| cofferdam_api::BlindSpot {
                what: spot.what.to_owned(),
                instead: spot.instead.to_owned(),
            })
            .collect(),
    }
}

fn report(hook: &HookReport, found: Tier) -> cofferdam_api::HookReport {
    let (state, reason) = match &hook.state {
        AttachState::Attached => (HookState::Attached, None),
        AttachState::NotOnThisTier => {
            (HookState::NotNeeded, Some("another hook sees it on this tier".to_owned()))
        }
        AttachState::NotOnThisKernel => {
            (HookState::NotNeeded, Some("this kernel asks another hook of ours".to_owned()))
        }
        AttachState::Refused(reason) => (HookState::Failed, Some(reason.clone())),
    };
    cofferdam_api::HookReport {
        hook: hook.point.hook.name().to_owned(),
        tier: tier(
            hook.point.tiers.iter().copied().find(|tier| *tier == found).unwrap_or(hook.point.tiers[0]),
        ),
        program: hook.point.program.to_owned(),
        attach_point: hook.point.to.describe(),
        state,
        sees: hook.point.sees.to_owned(),
        without_it: hook.point.without.to_owned(),
        reason,
    }
}

fn check(check: probe::Check) -> cofferdam_api::Check {
    cofferdam_api::Check {
        name: check.name.to_owned(),
        ok: match check.outcome {
            Outcome::Ok => CheckResult::Ok,
            Outcome::Warn => CheckResult::Warn,
            Outcome::Fail => CheckResult::Fail,
        },
        found: check.found,
        costs: check.costs.map(str::to_owned),
        remedy: check.remedy.map(str::to_owned),
    }
}
