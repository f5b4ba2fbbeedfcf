//! What holds another process up without a signal. Each is such that it does no harm where it goes through.

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::actor::{Doing, Done, Given, Hands};

/// `IOPRIO_WHO_PROCESS`, and the class that everybody begins with, include/uapi/linux/ioprio.h.
const WHO_PROCESS: i32 = 1;
const BEST_EFFORT: i32 = 2 << 13 | 4;

/// `limit PID`: of its processor time, to more than it will ever use.
pub(super) fn limit(given: &Given<'_>, _: &mut Hands) -> Done {
    let pid: i32 = given.parsed(0, "process id")?;
    let most = libc::rlimit { rlim_cur: 1 << 40, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit outlives the call, which writes nothing.
    let done = unsafe { libc::prlimit(pid, libc::RLIMIT_CPU, &raw const most, std::ptr::null_mut()) };
    Errno::result(done).doing(|| format!("limiting {pid}"))?;
    Ok(String::new())
}

/// `pin PID`: to the processors that it runs on anyway.
pub(super) fn pin(given: &Given<'_>, _: &mut Hands) -> Done {
    let pid = Pid::from_raw(given.parsed(0, "process id")?);
    let allowed: CpuSet = sched_getaffinity(pid).doing(|| format!("asking where {pid} runs"))?;
    sched_setaffinity(pid, &allowed).doing(|| format!("choosing where {pid} runs"))?;
    Ok(String::new())
}

/// `renice PID`: to the value that everybody begins with.
pub(super) fn renice(given: &Given<'_>, _: &mut Hands) -> Done {
    let pid: u32 = given.parsed(0, "process id")?;
    // SAFETY: the call takes numbers only.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, pid, 0) };
    Errno::result(done).doing(|| format!("slowing {pid}"))?;
    Ok(String::new())
}

/// `ionice PID`: likewise.
pub(super) fn ionice(given: &Given<'_>, _: &mut Hands) -> Done {
    let pid: i32 = given.parsed(0, "process id")?;
    // SAFETY: the call takes numbers only.
    let done = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, pid, BEST_EFFORT) };
    Errno::result(done).doing(|| format!("slowing the disk for {pid}"))?;
    Ok(String::new())
}
