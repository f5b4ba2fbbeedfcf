//! An order of a test: given through the real command line, and released with the value that stands for it.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::Result;
use cofferdam_api::OrderRow;

use super::Agent;
use super::answers::Answers;

/// Whose orders they are.
pub const OWNER: &str = "oncall-of-the-tests";

/// An order. Released on drop, unless it has ended.
#[derive(Debug)]
pub struct Order {
    row: OrderRow,
    socket: PathBuf,
}

impl Order {
    /// Contains what `scope` says, in the words of `cofferdam contain`.
    ///
    /// # Errors
    /// If the agent refuses it.
    pub fn give(agent: &Agent, scope: &[&str], reason: &str) -> Result<Self> {
        let socket = agent.socket();
        let words: Vec<&str> =
            ["contain", "--owner", OWNER, "--reason", reason].iter().chain(scope).copied().collect();
        let row = Answers::of_agent(&socket).json(&words)?;
        Ok(Self { row, socket })
    }

    /// As it was when it was given.
    pub fn row(&self) -> &OrderRow {
        &self.row
    }

    /// By whom and by which name rows tell that it decided.
    pub fn decider(&self) -> (&str, &str) {
        (&self.row.owner, &self.row.id)
    }

    /// Ends it.
    ///
    /// # Errors
    /// If the agent does not.
    pub fn release(self) -> Result<()> {
        self.end()
    }

    fn end(&self) -> Result<()> {
        // An agent that has ended releases nothing; what it leaves goes with its pins.
        if UnixStream::connect(&self.socket).is_err() {
            return Ok(());
        }
        let answers = Answers::of_agent(&self.socket);
        if answers.orders()?.iter().any(|row| row.id == self.row.id) {
            answers.json::<OrderRow>(&["release", &self.row.id])?;
        }
        Ok(())
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("could not release an order: {error:#}");
        }
    }
}
