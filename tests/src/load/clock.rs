//! What an operation took, on three clocks at once.
//!
//! Under QEMU's instruction counting one nanosecond of the guest is one instruction, on each of them.

use std::ops::Sub;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

/// Readings of all three clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// CPU time of this thread and of its children that have ended, ns: what the caller pays.
    pub(crate) own: u64,
    /// Monotonic clock, ns: what passes, whoever runs. With one processor it holds the agent's work too.
    pub(crate) wall: u64,
}

impl Reading {
    /// Now.
    pub(crate) fn now() -> Result<Self> {
        let children = getrusage(UsageWho::RUSAGE_CHILDREN).context("asking for the children's CPU time")?;
        let children = children.user_time().num_nanoseconds() + children.system_time().num_nanoseconds();
        let wall = nanoseconds(ClockId::CLOCK_MONOTONIC)?;
        let thread = nanoseconds(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
        Ok(Self { own: thread + u64::try_from(children).unwrap_or_default(), wall })
    }
}

impl Sub for Reading {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { own: self.own.saturating_sub(earlier.own), wall: self.wall.saturating_sub(earlier.wall) }
    }
}

/// A clock of the kernel, ns.
pub(crate) fn nanoseconds(clock: ClockId) -> Result<u64> {
    let time = clock_gettime(clock).context("reading a clock")?;
    u64::try_from(time.num_nanoseconds()).context("a clock before its zero")
}
