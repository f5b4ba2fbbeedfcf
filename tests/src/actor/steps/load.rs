//! Many events: opens, forks and connections in loops. The kernel counts what happens; these count what was asked.

use std::net::SocketAddr;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::open::c_string;
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `open-loop FOLDER FILES ROUNDS PROCESSES`: each process opens `FOLDER/key-0` to `key-(FILES-1)` so many times;
/// says how many opens there were.
pub(super) fn opens(given: &Given<'_>, _: &mut Hands) -> Done {
    let folder = given.text(0, "folder")?;
    let (files, rounds): (u64, u64) = (given.parsed(1, "number")?, given.parsed(2, "number")?);
    let processes: u64 = given.parsed(3, "number")?;
    let paths = (0..files).map(|n| c_string(&format!("{folder}/key-{n}"))).collect::<Result<Vec<_>, _>>()?;
    in_processes(processes, || {
        for path in std::iter::repeat_n(&paths, usize::try_from(rounds).unwrap_or(usize::MAX)).flatten() {
            open(path.as_c_str(), OFlag::O_CLOEXEC, Mode::empty())?;
        }
        Ok(())
    })?;
    Ok((files * rounds * processes).to_string())
}

/// `fork-loop PATH PROCESSES`: so many processes, one after the other, open the file once; says how many.
pub(super) fn forks(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = c_string(given.text(0, "path")?)?;
    let processes: u64 = given.parsed(1, "number")?;
    for _ in 0..processes {
        in_processes(1, || open(path.as_c_str(), OFlag::O_CLOEXEC, Mode::empty()).map(drop))?;
    }
    Ok(processes.to_string())
}

/// `connect-loop ADDRESS TIMES`: sends one byte so often, each time over a connected socket of its own.
pub(super) fn connects(given: &Given<'_>, hands: &mut Hands) -> Done {
    let _: SocketAddr = given.parsed(0, "address")?;
    let times: u64 = given.parsed(1, "number")?;
    for _ in 0..times {
        super::net::connect_udp(given, hands)?;
    }
    Ok(times.to_string())
}

/// Does the same in so many children at once, and waits for all.
fn in_processes(count: u64, work: impl Fn() -> Result<(), Errno>) -> Result<(), Refused> {
    let mut children = Vec::new();
    for _ in 0..count {
        // SAFETY: the child makes system calls on what was made before, and ends without running anything else.
        match unsafe { fork() }.doing(|| "forking".to_owned())? {
            ForkResult::Parent { child } => children.push(child),
            ForkResult::Child => {
                let code = work().err().map_or(0, |errno| errno as i32);
                // SAFETY: ends this process only; its parent's buffers are not written a second time.
                unsafe { nix::libc::_exit(code) };
            }
        }
    }
    let mut outcome = Ok(());
    for child in children {
        match waitpid(child, None).doing(|| format!("waiting for {child}"))? {
            WaitStatus::Exited(_, 0) => {}
            WaitStatus::Exited(_, code) => outcome = Err(Errno::from_raw(code)),
            _ => outcome = Err(Errno::EINTR),
        }
    }
    outcome.doing(|| "working in a child".to_owned())
}
