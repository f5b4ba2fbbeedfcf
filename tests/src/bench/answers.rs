//! Asking an agent, through the real command line.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cofferdam_api::{Doctor, OrderRow, PolicyStatus, Status, Timeline};
use cofferdam_model::{
    AccessRow, Answer, AttemptRow, AuditRow, ConnectionRow, DetectionRow, LossRow, SecretRow, WorkloadRow,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::command::finish;
use super::{Agent, binary};

/// Where answers come from.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    option: &'static str,
    path: &'a Path,
}

impl<'a> Answers<'a> {
    /// An agent that runs, by its socket.
    pub fn of_agent(socket: &'a Path) -> Self {
        Self { option: "--socket", path: socket }
    }

    /// A journal that was copied.
    pub fn of_journal(folder: &'a Path) -> Self {
        Self { option: "--journal", path: folder }
    }

    /// What the command line says for a person.
    ///
    /// # Errors
    /// If it fails.
    pub fn text(&self, words: &[&str]) -> Result<String> {
        self.said(words.iter().map(OsStr::new))
    }

    /// Accesses of one container.
    ///
    /// # Errors
    /// If the question is not answered.
    pub fn accesses_of(&self, container: &str) -> Result<Vec<AccessRow>> {
        Ok(self.answer::<AccessRow>(&["accesses", "--container", container])?.rows)
    }

    /// Connections of one container.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn connections_of(&self, container: &str) -> Result<Vec<ConnectionRow>> {
        Ok(self.answer::<ConnectionRow>(&["connections", "--container", container])?.rows)
    }

    /// What one container tried.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn attempts_of(&self, container: &str) -> Result<Vec<AttemptRow>> {
        Ok(self.answer::<AttemptRow>(&["attempts", "--container", container])?.rows)
    }

    /// What rules have found of one container.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn detections_of(&self, container: &str) -> Result<Vec<DetectionRow>> {
        Ok(self.answer::<DetectionRow>(&["detections", "--container", container])?.rows)
    }

    /// What was done to the enforcement, or by it.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn audit(&self) -> Result<Vec<AuditRow>> {
        Ok(self.answer::<AuditRow>(&["audit"])?.rows)
    }

    /// The orders in force.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn orders(&self) -> Result<Vec<OrderRow>> {
        #[derive(Deserialize)]
        struct Rows {
            rows: Vec<OrderRow>,
        }
        Ok(self.json::<Rows>(&["orders"])?.rows)
    }

    /// What policies really do here.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn policy_status(&self) -> Result<PolicyStatus> {
        self.json(&["policy", "status"])
    }

    /// What one container did.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn timeline_of(&self, container: &str) -> Result<Timeline> {
        self.json(&["timeline", "--container", container])
    }

    /// What was lost, of all workloads.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn losses(&self) -> Result<Vec<LossRow>> {
        Ok(self.json::<Timeline>(&["timeline", "*"])?.losses)
    }

    /// Secrets of this name.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn secrets_named(&self, name: &str) -> Result<Vec<SecretRow>> {
        Ok(self.answer::<SecretRow>(&["secrets", "--secret", name])?.rows)
    }

    /// The workload of one container.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn workloads_of(&self, container: &str) -> Result<Vec<WorkloadRow>> {
        Ok(self.answer::<WorkloadRow>(&["workloads", "--container", container])?.rows)
    }

    /// How the agent is.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn status(&self) -> Result<Status> {
        self.json(&["status"])
    }

    /// What the agent sees here.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn doctor(&self) -> Result<Doctor> {
        self.json(&["doctor"])
    }

    /// Rows and how complete they are.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn answer<Row: DeserializeOwned>(&self, words: &[&str]) -> Result<Answer<Row>> {
        self.json(words)
    }

    /// An answer that is one document.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn document<Document: DeserializeOwned>(&self, words: &[&str]) -> Result<Document> {
        self.json(words)
    }

    /// How the command line ends, and what it says of it and in answer.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn ending(&self, words: &[&str]) -> Result<Ending> {
        let mut command = Command::new(binary("cofferdam")?);
        let done = finish(command.arg(self.option).arg(self.path).args(words), "asking the agent")?;
        Ok(Ending { code: done.status.code(), answer: done.stdout, complaint: done.stderr })
    }

    /// What the command line answers, as it is given to programs.
    ///
    /// # Errors
    /// As [`Self::accesses_of`].
    pub fn json<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T> {
        let text = self.said(["--output", "json"].iter().chain(words).map(OsStr::new))?;
        serde_json::from_str(&text)
            .with_context(|| format!("reading the answer of `cofferdam {}`: {text}", words.join(" ")))
    }

    fn said<'w>(&self, words: impl Iterator<Item = &'w OsStr>) -> Result<String> {
        let mut command = Command::new(binary("cofferdam")?);
        let done = finish(command.arg(self.option).arg(self.path).args(words), "asking the agent")?;
        // `doctor` and `status` end with 1 when they answer that something is not well.
        let answered = done.status.success() || (done.stderr.is_empty() && !done.stdout.is_empty());
        ensure!(answered, "asking the agent: {command:?} ended with {}: {}", done.status, done.stderr.trim());
        Ok(done.stdout)
    }
}

/// How the command line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub answer: String,
    /// Standard error.
    pub complaint: String,
}

impl Agent {
    /// Asks this agent.
    ///
    /// # Errors
    /// As [`Answers::accesses_of`].
    pub fn asked<T>(&self, question: impl FnOnce(&Answers<'_>) -> Result<T>) -> Result<T> {
        let socket = self.socket();
        question(&Answers::of_agent(&socket))
    }
}
