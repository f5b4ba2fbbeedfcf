//! Executing programs from where an attacker puts them.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output, Stdio};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::open::c_string;
use crate::actor::{Doing, Done, Given, Hands, Refused, Reply};

/// `spawn PROGRAM ARGS…`: a child that goes on; says its process id.
pub(super) fn spawn(given: &Given<'_>, _: &mut Hands) -> Done {
    let program = given.text(0, "program")?;
    let mut command = Command::new(program);
    command.args(given.rest(1)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn().doing(|| format!("executing {program}"))?.id().to_string())
}

/// `run PROGRAM ARGS…`: a child, to its end.
pub(super) fn run(given: &Given<'_>, _: &mut Hands) -> Done {
    let program = given.text(0, "program")?;
    finished(Command::new(program).args(given.rest(1)).stdin(Stdio::null()).output(), program)
}

/// `end PID`: kills a child and sees it off.
pub(super) fn end(given: &Given<'_>, _: &mut Hands) -> Done {
    let pid = Pid::from_raw(given.parsed(0, "process id")?);
    kill(pid, Signal::SIGKILL).doing(|| format!("killing {pid}"))?;
    waitpid(pid, None).doing(|| format!("waiting for {pid}"))?;
    Ok(String::new())
}

/// `copy FROM TO`: a copy that may be executed.
pub(super) fn copy(given: &Given<'_>, _: &mut Hands) -> Done {
    let (from, to) = (given.text(0, "source")?, given.text(1, "target")?);
    fs::copy(from, to).doing(|| format!("copying {from} to {to}"))?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(to, mode).doing(|| format!("changing the mode of {to}"))?;
    Ok(String::new())
}

/// `run-memfd PROGRAM ARGS…`: executes a copy that is in memory only.
pub(super) fn memfd(given: &Given<'_>, _: &mut Hands) -> Done {
    let program = given.text(0, "program")?;
    run_descriptor(&memfd_of(program)?, program, given.rest(1))
}

/// `hold-memfd NAME PROGRAM`: keeps a copy that is in memory only and may be executed.
pub(super) fn hold_memfd(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, program) = (given.text(0, "name")?, given.text(1, "program")?);
    hands.hold(name, memfd_of(program)?);
    Ok(String::new())
}

/// `run-deleted PROGRAM ARGS…`: executes a copy that has no name any more.
pub(super) fn deleted(given: &Given<'_>, _: &mut Hands) -> Done {
    let program = given.text(0, "program")?;
    let copy = format!("/tmp/deleted-{}", std::process::id());
    fs::copy(program, &copy).doing(|| format!("copying {program}"))?;
    let file = open(copy.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
    let file = file.doing(|| format!("opening {copy}"))?;
    fs::remove_file(&copy).doing(|| format!("removing {copy}"))?;
    run_descriptor(&file, program, given.rest(1))
}

/// `run-bound-over PROGRAM PATH ARGS…`: in a user namespace of its own, binds a program over a path of the image and
/// executes that path.
pub(super) fn bound_over(given: &Given<'_>, _: &mut Hands) -> Done {
    let (program, path) = (given.text(0, "program")?, given.text(1, "path")?);
    let (from, to) = (c_string(program)?, c_string(path)?);
    let mut command = Command::new(path);
    command.args(given.rest(2));
    let enter = move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        mount(Some(from.as_c_str()), to.as_c_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made, with strings that were made before.
    unsafe { command.pre_exec(enter) };
    finished(command.stdin(Stdio::null()).output(), path)
}

fn memfd_of(program: &str) -> Result<OwnedFd, Refused> {
    let content = fs::read(program).doing(|| format!("reading {program}"))?;
    let file = memfd_create(c"payload", MFdFlags::MFD_CLOEXEC).doing(|| "making a memfd".to_owned())?;
    fs::write(descriptor_path(&file), content).doing(|| "filling the memfd".to_owned())?;
    read_only(file)
}

/// A memfd that is open for writing cannot be executed.
fn read_only(file: OwnedFd) -> Result<OwnedFd, Refused> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    open(descriptor_path(&file).as_str(), flags, Mode::empty())
        .doing(|| "opening the memfd to read".to_owned())
}

fn descriptor_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Executes what a descriptor means, by `execveat` with an empty path.
fn run_descriptor(file: &OwnedFd, name: &str, args: &[String]) -> Done {
    let mut words = vec![c_string(name)?];
    for arg in args {
        words.push(c_string(arg)?);
    }
    let number = file.as_raw_fd();
    let mut command = Command::new(name);
    let execute = move || -> io::Result<()> {
        let environment: [CString; 0] = [];
        // SAFETY: the descriptor is the parent's, which waits and keeps it open.
        let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        let Err(errno) = nix::unistd::fexecve(file, &words, &environment);
        Err(errno.into())
    };
    // SAFETY: between fork and exec only system calls are made; the vectors of pointers that `fexecve` makes are
    // allocated in a child of a process whose other threads only sleep.
    unsafe { command.pre_exec(execute) };
    finished(command.stdin(Stdio::null()).output(), name)
}

/// The reply of an actor that ran, or what became of another program.
pub(super) fn finished(output: io::Result<Output>, name: &str) -> Done {
    let output = output.doing(|| format!("executing {name}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match Reply::in_output(&text) {
        Some(Reply { ok: true, output, .. }) => Ok(output),
        Some(Reply { errno, output, .. }) => {
            Err(Refused { doing: output, errno: errno.map_or(Errno::UnknownErrno, Errno::from_raw) })
        }
        None if output.status.success() => Ok(text.trim().to_owned()),
        None => {
            let doing = format!(
                "running {name}: exit {:?}, signal {:?}: {}",
                output.status.code(),
                output.status.signal(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
            Err(Refused { doing, errno: Errno::UnknownErrno })
        }
    }
}
