//! Nothing may take the guard from its work, and nobody may look into it.

use std::{fs, io};

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{chdir, setsid};

/// What of it the system has granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hardened {
    /// Its memory is never written out: it waits for no disk.
    pub locked: bool,
    /// It is killed last when memory runs out.
    pub oom_last: bool,
}

/// Leaves the session and the folder of who started it, locks its memory, closes itself to others, steps out of the
/// way of the out-of-memory killer.
///
/// # Errors
/// If its memory cannot be closed to others; what else the system refuses is told in the result.
pub fn harden() -> io::Result<Hardened> {
    set_dumpable(false)?;
    chdir("/")?;
    // Fails only for who leads a group already, as from a shell.
    let _ = setsid();
    for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGPIPE] {
        // SAFETY: no handler is installed.
        unsafe { signal(ignored, SigHandler::SigIgn) }?;
    }
    // SAFETY: no pointers. A machine that is busy should not wait for us.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
    Ok(Hardened {
        locked: mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).is_ok(),
        oom_last: fs::write("/proc/self/oom_score_adj", "-1000").is_ok(),
    })
}

/// Faults so far that had to wait for a disk.
pub(crate) fn major_faults() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.major_page_faults().unsigned_abs())
}
