//! The process that is measured: it does nothing but the operations, from before the agent's start to after its end.

use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::compile::Compilation;
use crate::measure::{Costs, Operations};

/// Asks for the costs of the operations, in so many rounds.
const OPERATIONS: &str = "operations";
/// Asks for the cost of the compilation, done once.
const COMPILATION: &str = "compilation";

/// Answers on standard output what is asked on standard input, until that ends.
pub(crate) fn work(files: &Path, scratch: &Path) -> Result<()> {
    let mut operations = Operations::on(files, scratch)?;
    let compilation = Compilation::prepare(scratch)?;
    for line in stdin().lock().lines() {
        let line = line.context("reading what is asked")?;
        let costs = match line.split_once(' ') {
            Some((OPERATIONS, rounds)) => operations.measure(rounds.parse().context("the rounds")?)?,
            None if line == COMPILATION => compilation.measure()?,
            _ => bail!("asked for {line}"),
        };
        let mut out = stdout().lock();
        serde_json::to_writer(&mut out, &costs).context("answering")?;
        writeln!(out).and_then(|()| out.flush()).context("answering")?;
    }
    Ok(())
}

/// The worker, seen from outside.
pub(crate) struct Worker {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts it.
    pub(crate) fn start(files: &Path, scratch: &Path) -> Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg("worker")
            .args([files, scratch])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the worker")?;
        let questions = child.stdin.take().context("the worker has no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("the worker has no standard output")?);
        Ok(Self { child, questions, answers })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Costs of the operations.
    pub(crate) fn operations(&mut self, rounds: u32) -> Result<Costs> {
        self.ask(&format!("{OPERATIONS} {rounds}"))
    }

    /// Cost of the compilation.
    pub(crate) fn compilation(&mut self) -> Result<Costs> {
        self.ask(COMPILATION)
    }

    fn ask(&mut self, what: &str) -> Result<Costs> {
        writeln!(self.questions, "{what}").context("asking the worker")?;
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer).context("waiting for the worker's answer")?;
        ensure!(read > 0, "the worker has ended: {}", self.child.wait().context("waiting for its end")?);
        serde_json::from_str(&answer).context("reading the worker's answer")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be in the middle of something; nothing of what it does needs an end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
