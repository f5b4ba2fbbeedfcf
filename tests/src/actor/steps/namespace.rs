//! Other views on the same files: namespaces of one's own, mounts in them, other roots.

use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pause, pipe};

use crate::actor::given::senseless;
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `unshare KIND,KIND…`: namespaces of this process's own.
pub(super) fn unshare(given: &Given<'_>, _: &mut Hands) -> Done {
    let kinds = given.text(0, "kinds")?;
    nix::sched::unshare(flags(kinds)?).doing(|| format!("making namespaces ({kinds})"))?;
    Ok(String::new())
}

/// `enter-namespaces`: a child makes a user and a mount namespace; this process enters them.
pub(super) fn enter(_: &Given<'_>, _: &mut Hands) -> Done {
    let (ready, told) = pipe().doing(|| "making a pipe".to_owned())?;
    // SAFETY: the child makes system calls only, and is killed.
    match unsafe { fork() }.doing(|| "forking".to_owned())? {
        ForkResult::Child => {
            let made = nix::sched::unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS);
            let _ = nix::unistd::write(&told, &[u8::from(made.is_ok())]);
            loop {
                pause();
            }
        }
        ForkResult::Parent { child } => {
            let mut byte = [0];
            let read = nix::unistd::read(&ready, &mut byte);
            let entered = read.doing(|| "waiting for a child".to_owned()).and_then(|_| enter_those_of(child));
            let _ = kill(child, Signal::SIGKILL).and_then(|()| waitpid(child, None));
            entered.map(|()| String::new())
        }
    }
}

fn enter_those_of(child: Pid) -> Result<(), Refused> {
    let namespace = |kind: &str| -> Result<OwnedFd, Refused> {
        let path = format!("/proc/{child}/ns/{kind}");
        open(path.as_str(), OFlag::O_CLOEXEC, Mode::empty()).doing(|| format!("opening {path}"))
    };
    let (user, mounts) = (namespace("user")?, namespace("mnt")?);
    setns(user, CloneFlags::CLONE_NEWUSER).doing(|| "entering a user namespace".to_owned())?;
    setns(mounts, CloneFlags::CLONE_NEWNS).doing(|| "entering a mount namespace".to_owned())
}

/// `bind FROM TO`
pub(super) fn bind(given: &Given<'_>, _: &mut Hands) -> Done {
    let (from, to) = (given.text(0, "source")?, given.text(1, "target")?);
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .doing(|| format!("binding {from} over {to}"))?;
    Ok(String::new())
}

/// `overlay LOWER:LOWER AT`: layers that are only read.
pub(super) fn overlay(given: &Given<'_>, _: &mut Hands) -> Done {
    let (layers, at) = (given.text(0, "layers")?, given.text(1, "target")?);
    let options = format!("lowerdir={layers}");
    mount(Some("overlay"), at, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .doing(|| format!("mounting layers at {at}"))?;
    Ok(String::new())
}

/// `chroot FOLDER`
pub(super) fn chroot(given: &Given<'_>, _: &mut Hands) -> Done {
    let folder = given.text(0, "folder")?;
    nix::unistd::chroot(folder)
        .and_then(|()| nix::unistd::chdir("/"))
        .doing(|| format!("changing the root to {folder}"))?;
    Ok(String::new())
}

/// `folder PATH`
pub(super) fn folder(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    std::fs::create_dir_all(path).doing(|| format!("making {path}"))?;
    Ok(String::new())
}

fn flags(kinds: &str) -> Result<CloneFlags, Refused> {
    let mut flags = CloneFlags::empty();
    for kind in kinds.split(',') {
        flags |= match kind {
            "user" => CloneFlags::CLONE_NEWUSER,
            "mount" => CloneFlags::CLONE_NEWNS,
            "pid" => CloneFlags::CLONE_NEWPID,
            "cgroup" => CloneFlags::CLONE_NEWCGROUP,
            "ipc" => CloneFlags::CLONE_NEWIPC,
            "uts" => CloneFlags::CLONE_NEWUTS,
            other => return Err(senseless(format!("`{other}` is no namespace"))),
        };
    }
    Ok(flags)
}
