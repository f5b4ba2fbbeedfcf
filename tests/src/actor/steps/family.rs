//! Steps taken by relatives: children, grandchildren that nobody waits for, children that share memory.

use std::fs::File;
use std::io::{Read, Write};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe, setsid};

use super::open::c_string;
use super::sequence::one;
use crate::actor::{Doing, Done, Given, Hands, Refused, Reply};

const STACK: usize = 256 << 10;

/// `in-daemon STEP ARGS…`: a grandchild with a session of its own, whose parent has ended, takes the step.
pub(super) fn daemon(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (told, telling) = pipe().doing(|| "making a pipe".to_owned())?;
    // SAFETY: this program has one thread, so its child may do whatever it likes.
    if let ForkResult::Parent { child } = unsafe { fork() }.doing(|| "forking".to_owned())? {
        drop(telling);
        waitpid(child, None).doing(|| format!("waiting for {child}"))?;
        let mut line = String::new();
        File::from(told).read_to_string(&mut line).doing(|| "waiting for a grandchild".to_owned())?;
        return match Reply::in_output(&line) {
            Some(Reply { ok: true, output, .. }) => Ok(output),
            Some(Reply { errno, output, .. }) => {
                Err(Refused { doing: output, errno: errno.map_or(Errno::UnknownErrno, Errno::from_raw) })
            }
            None => Err(Refused { doing: "hearing of a grandchild".to_owned(), errno: Errno::ECHILD }),
        };
    }
    // SAFETY: as above.
    let grandchild = setsid().and_then(|_| unsafe { fork() });
    if matches!(grandchild, Ok(ForkResult::Child)) {
        let reply = Reply::from(one(given.rest(0), hands));
        let _ = File::from(telling).write_all(reply.to_line().as_bytes());
    }
    // SAFETY: ends this process only; its parent's buffers are not written a second time.
    unsafe { libc::_exit(0) }
}

/// `open-vfork PATH`: a child that shares this process's memory and stops it meanwhile opens the file.
pub(super) fn vfork_open(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    let text = c_string(path)?;
    let mut stack = vec![0; STACK];
    let mut errno = 0;
    let work = || {
        // SAFETY: the path is a string ended by NUL that lives as long as the parent, which waits.
        let opened = unsafe { libc::open(text.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        errno = if opened < 0 { Errno::last_raw() } else { 0 };
        0
    };
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: the stack is the child's alone; the child makes one system call and ends while the parent waits.
    let child = unsafe { clone(Box::new(work), &mut stack, flags, Some(libc::SIGCHLD)) };
    let child = child.doing(|| "forking by vfork".to_owned())?;
    waitpid(child, None).doing(|| format!("waiting for {child}"))?;
    match errno {
        0 => Ok(String::new()),
        number => {
            Err(Refused { doing: format!("opening {path} after vfork"), errno: Errno::from_raw(number) })
        }
    }
}
