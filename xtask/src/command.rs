//! Running other programs, with errors that say what was being done.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// How many of a failed program's last lines go into the error.
const SHOWN_LINES: usize = 30;

/// Runs a program with its output on ours.
pub(crate) fn visibly(command: &mut Command, doing: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{doing}: cannot start `{}`", command.get_program().display()))?;
    if !status.success() {
        bail!("{doing}: `{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a program and returns what it wrote to its standard output; shows its output only in the error.
pub(crate) fn quietly(command: &mut Command, doing: &str) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{doing}: cannot start `{}`", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{doing}: `{}` ended with {}\n{}", shown(command), output.status, tail(&output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program, passes its standard output on line by line and shows each line to `see`.
/// Returns whether the program succeeded.
pub(crate) fn watched(command: &mut Command, doing: &str, mut see: impl FnMut(&str)) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{doing}: cannot start `{}`", command.get_program().display()))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("{doing}: cannot read its output"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            see(&line);
        }
    }
    Ok(child.wait().with_context(|| format!("{doing}: cannot wait for it"))?.success())
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

fn tail(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
