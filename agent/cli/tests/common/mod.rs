//! The real binary against an agent that answers with the samples.

#[path = "../../src/samples.rs"]
pub mod samples;

mod containment;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use cofferdam_api::{
    Backend, BackendError, Doctor, Ending, Event, HookState, Live, Rows, Socket, Status, serve,
};
use cofferdam_model::{
    AccessRow, AttemptRow, AuditRow, ConnectionRow, DetectionRow, Filter, Peer, SecretRow, WorkloadRow,
};
use tokio::runtime::Runtime;

/// What the agent is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Nothing is missing.
    Well,
    /// Something was lost.
    Lossy,
    /// It has not finished to start.
    Starting,
}

/// Answers with the samples; with nothing to questions about the workload `none`; refuses `nonsense`.
pub struct Fake {
    pub live: Live,
    /// What it was told to put into force.
    pub applied: Mutex<Vec<String>>,
    mood: Mood,
}

impl Fake {
    fn answer<Row>(
        &self,
        filter: &Filter,
        rows: &mut Rows<'_, Row>,
        all: Vec<Row>,
    ) -> Result<Ending, BackendError> {
        if self.mood == Mood::Starting {
            return Err(BackendError::NotReady);
        }
        match filter.workload.as_deref() {
            Some("nonsense") => {
                return Err(BackendError::BadQuestion("no workload can be called nonsense".into()));
            }
            Some("fire") => return Err(BackendError::Failed("the journal is on fire".into())),
            Some("none") => {}
            _ => {
                let skipped = filter.limit.map_or(0, |limit| all.len().saturating_sub(limit as usize));
                for row in all.into_iter().skip(skipped) {
                    rows.push(row)?;
                }
            }
        }
        let completeness = match self.mood {
            Mood::Lossy => samples::incomplete(),
            _ => samples::complete(),
        };
        Ok(Ending { completeness, since: filter.since, until: filter.until })
    }
}

impl Backend for Fake {
    fn admits(&self, _: Peer) -> Result<(), String> {
        Ok(())
    }

    fn accesses(&self, filter: &Filter, rows: &mut Rows<'_, AccessRow>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::accesses())
    }

    fn connections(
        &self,
        filter: &Filter,
        rows: &mut Rows<'_, ConnectionRow>,
    ) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::connections())
    }

    fn attempts(&self, filter: &Filter, rows: &mut Rows<'_, AttemptRow>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::attempts())
    }

    fn denials(&self, filter: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::denials())
    }

    fn audits(&self, filter: &Filter, rows: &mut Rows<'_, AuditRow>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::audits())
    }

    fn detections(&self, filter: &Filter, rows: &mut Rows<'_, DetectionRow>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::detections())
    }

    fn timeline(&self, filter: &Filter, rows: &mut Rows<'_, Event>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::events())
    }

    fn workloads(&self, filter: &Filter, rows: &mut Rows<'_, WorkloadRow>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::workloads())
    }

    fn secrets(&self, filter: &Filter, rows: &mut Rows<'_, SecretRow>) -> Result<Ending, BackendError> {
        self.answer(filter, rows, samples::secrets())
    }

    fn status(&self) -> Result<Status, BackendError> {
        let mut status = samples::status();
        if self.mood == Mood::Well {
            status.losses.clear();
        }
        Ok(status)
    }

    fn doctor(&self) -> Result<Doctor, BackendError> {
        let mut doctor = samples::doctor();
        if self.mood == Mood::Well {
            doctor.hooks.retain(|hook| hook.state != HookState::Failed);
        }
        Ok(doctor)
    }

    fn live(&self) -> &Live {
        &self.live
    }
}

/// A running agent.
pub struct Agent {
    pub path: PathBuf,
    pub backend: Arc<Fake>,
    _runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Agent {
    pub fn start(mood: Mood) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let backend = Arc::new(Fake { live: Live::new(16), applied: Mutex::default(), mood });
        let runtime = Runtime::new().unwrap();
        let socket = Socket::bind(&path).unwrap();
        runtime.spawn(serve(socket, Arc::clone(&backend), std::future::pending()));
        Self { path, backend, _runtime: runtime, _folder: folder }
    }

    /// The command, asking this agent.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.env("COFFERDAM_SOCKET", &self.path);
        command
    }

    /// Runs it and gives standard output, standard error and the exit code.
    pub fn ask(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments))
    }
}

/// The command, with nothing of this test's environment that it heeds.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).env_remove("COFFERDAM_SOCKET").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// What came out.
#[derive(Debug)]
pub struct Answer {
    pub out: String,
    pub err: String,
    pub code: i32,
}

pub fn answer(mut command: Command) -> Answer {
    let output = command.output().unwrap();
    Answer {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}
