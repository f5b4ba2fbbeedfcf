//! A program that is traced from its first instruction on.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::execute::finished;
use crate::actor::{Doing, Done, Given, Hands};

/// `run-traced PROGRAM ARGS…`: a child that lets itself be traced before it executes the program: nobody has to take hold
/// of it. Its registers are read and written, then it goes on to its end.
pub(super) fn run(given: &Given<'_>, _: &mut Hands) -> Done {
    let program = given.text(0, "program")?;
    let mut command = Command::new(program);
    command.args(given.rest(1)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: between fork and exec a single system call is made.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(io::Error::from)) };
    let child = command.spawn().doing(|| format!("letting {program} be traced"))?;
    let pid = Pid::from_raw(child.id() as i32);
    // The exec stops it.
    waitpid(pid, None).doing(|| format!("waiting for {program}"))?;
    let registers = ptrace::getregs(pid).doing(|| format!("reading the registers of {program}"))?;
    ptrace::setregs(pid, registers).doing(|| format!("writing the registers of {program}"))?;
    ptrace::detach(pid, None).doing(|| format!("letting {program} go"))?;
    finished(child.wait_with_output(), program)
}
