//! The same again and again, by several processes at once: what is refused is counted, and what is not.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

use super::open::c_string;
use crate::actor::given::senseless;
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `hammer-opens PATH TIMES PROCESSES`: says how many opens went through and how many were refused.
pub(super) fn opens(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = c_string(given.text(0, "path")?)?;
    hammered(given, || open(path.as_c_str(), OFlag::O_CLOEXEC, Mode::empty()).map(drop))
}

/// `hammer-connects ADDRESS TIMES PROCESSES`: the same of TCP connections.
pub(super) fn connects(given: &Given<'_>, _: &mut Hands) -> Done {
    let SocketAddr::V4(address) = given.parsed(0, "address")? else {
        return Err(senseless("only addresses of IPv4 are hammered".to_owned()));
    };
    let to = SockaddrIn::from(address);
    hammered(given, || {
        let one = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        connect(one.as_raw_fd(), &to)
    })
}

/// The least weight (sched_prio_to_weight, kernel/sched/core.c).
const NICENESS: libc::c_int = 19;

/// What all processes have counted, in memory that they share.
#[repr(C)]
struct Counted {
    through: AtomicU64,
    refused: AtomicU64,
    otherwise: AtomicU64,
}

fn hammered(given: &Given<'_>, work: impl Fn() -> Result<(), Errno>) -> Done {
    let (times, processes): (u64, u64) = (given.parsed(1, "number")?, given.parsed(2, "number")?);
    let counted = shared()?;
    let mut children = Vec::new();
    for _ in 0..processes {
        // SAFETY: the child makes system calls on what was made before, and ends without running anything else.
        match unsafe { fork() }.doing(|| "forking".to_owned())? {
            ForkResult::Parent { child } => children.push(child),
            ForkResult::Child => {
                // They take every moment that the agent which is started meanwhile leaves, and none of its own.
                // SAFETY: changes this process's priority only.
                unsafe { libc::nice(NICENESS) };
                (0..times).for_each(|_| count(counted, work()));
                // SAFETY: ends this process only; its parent's buffers are not written a second time.
                unsafe { libc::_exit(0) };
            }
        }
    }
    children.into_iter().try_for_each(seen_off)?;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Ok(format!(
        "{} went through, {} were refused, {} failed otherwise",
        read(&counted.through),
        read(&counted.refused),
        read(&counted.otherwise)
    ))
}

fn count(counted: &Counted, done: Result<(), Errno>) {
    let which = match done {
        Ok(()) => &counted.through,
        Err(Errno::EPERM | Errno::EACCES) => &counted.refused,
        Err(_) => &counted.otherwise,
    };
    which.fetch_add(1, Ordering::Relaxed);
}

fn seen_off(child: Pid) -> Result<(), Refused> {
    waitpid(child, None).doing(|| format!("waiting for {child}")).map(drop)
}

/// Stays mapped as long as the process lives.
fn shared() -> Result<&'static Counted, Refused> {
    let length = std::num::NonZeroUsize::new(size_of::<Counted>()).unwrap_or(std::num::NonZeroUsize::MIN);
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
    let at = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) }
        .doing(|| "mapping shared memory".to_owned())?;
    // SAFETY: the mapping is large enough, aligned to a page, zeroed, which is valid for counters, and never unmapped.
    Ok(unsafe { at.cast::<Counted>().as_ref() })
}
