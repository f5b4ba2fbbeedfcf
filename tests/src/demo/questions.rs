//! Asking the agent: the commands as a user types them, and their own output.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cofferdam_tests::bench::{Agent, binary};

use super::interrupt;
use super::telling::Telling;

/// Shows a command, runs it, and lets it write its answer itself.
pub(super) fn ask(telling: &Telling, agent: &Agent, words: &[&str]) -> Result<()> {
    telling.command("cofferdam", words)?;
    let mut command = Command::new(binary("cofferdam")?);
    command.env("COFFERDAM_SOCKET", agent.socket()).args(words).stdin(Stdio::null());
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    interrupt::check()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
