//! The machine's clock, wrong for a time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// Where a virtual machine of ours is told what to run.
const GUEST: &str = "/cofferdam/command";

/// The clock is behind; right again on drop.
#[derive(Debug)]
pub struct ClockBehind {
    by: Duration,
}

impl ClockBehind {
    /// Sets it back. `None` on a machine that is not ours alone.
    ///
    /// # Errors
    /// If it cannot be set.
    pub fn by(by: Duration) -> Result<Option<Self>> {
        if !Path::new(GUEST).exists() {
            return Ok(None);
        }
        set(|now| now - TimeSpec::from(by))?;
        Ok(Some(Self { by }))
    }
}

impl Drop for ClockBehind {
    fn drop(&mut self) {
        if let Err(error) = set(|now| now + TimeSpec::from(self.by)) {
            eprintln!("could not put the clock right: {error:#}");
        }
    }
}

fn set(change: impl FnOnce(TimeSpec) -> TimeSpec) -> Result<()> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).context("reading the clock")?;
    clock_settime(ClockId::CLOCK_REALTIME, change(now)).context("setting the clock")
}
