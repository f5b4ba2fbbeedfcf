//! Running the programs that a test needs, each for a bounded time, and out of Ctrl-C's reach.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::wait::{Look, PATIENCE, until_even_if_interrupted};

/// What a finished program said.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs a program to its end. Its output goes through pipes, so nothing that it leaves behind may keep them.
pub(super) fn finish(command: &mut Command, doing: &str) -> Result<Finished> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("{doing}: starting {:?}", command.get_program()))?;
    let pid = child.id();
    let reader = thread::spawn(move || child.wait_with_output());
    let begun = Instant::now();
    while !reader.is_finished() {
        if begun.elapsed() > PATIENCE {
            kill(pid);
            bail!("{doing}: {command:?} had not ended after {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let output: Output = match reader.join() {
        Ok(output) => output.with_context(|| format!("{doing}: reading what {command:?} says"))?,
        Err(_) => bail!("{doing}: the reader of {command:?} failed"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Finished { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

/// As [`finish`], and it must succeed; returns what it wrote.
pub(super) fn succeed(command: &mut Command, doing: &str) -> Result<String> {
    let done = finish(command, doing)?;
    ensure!(done.status.success(), "{doing}: {command:?} ended with {}: {}", done.status, done.stderr.trim());
    Ok(done.stdout)
}

/// Runs a program that leaves a process behind which goes on writing to `log`.
pub(super) fn leave_behind(command: &mut Command, log: &Path, doing: &str) -> Result<()> {
    let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let errors = output.try_clone().with_context(|| format!("opening {} twice", log.display()))?;
    command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = command.spawn().with_context(|| doing.to_owned())?;
    let status = ended(&mut child, &format!("{command:?}")).with_context(|| doing.to_owned())?;
    let said = || fs::read_to_string(log).unwrap_or_default();
    ensure!(status.success(), "{doing}: {command:?} ended with {status}: {}", said().trim());
    Ok(())
}

/// Waits for a child's end.
pub(super) fn ended(child: &mut Child, what: &str) -> Result<ExitStatus> {
    until_even_if_interrupted(&format!("the end of {what}"), || {
        let status = child.try_wait().with_context(|| format!("waiting for {what}"))?;
        Ok(status.map_or_else(|| Look::NotYet("it still runs".to_owned()), Look::Found))
    })
}

/// Kills a child of ours that has not been waited for, so that its id still means it.
fn kill(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}
