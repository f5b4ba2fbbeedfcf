//! Ctrl-C ends a run like a failure does: whoever waits stops waiting, and everything is taken away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SigSet, Signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT, SIGTERM and SIGHUP make [`check`] fail instead of ending the program. To be called before any
/// thread is started.
///
/// # Errors
/// If the signals cannot be taken over.
pub fn watch() -> Result<()> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().context("taking over the signals")?;
    thread::spawn(move || {
        while signals.wait().is_ok() {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// Whether the run was interrupted.
pub fn happened() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// # Errors
/// If the run was interrupted.
pub fn check() -> Result<()> {
    ensure!(!happened(), "interrupted");
    Ok(())
}
