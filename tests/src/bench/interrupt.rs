//! Ctrl-C ends a run like a failure does: whoever waits stops waiting, and everything is taken away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT, SIGTERM and SIGHUP make [`check`] fail instead of ending the program. Signals are caught and not
/// blocked: what is blocked stays so in the programs that are started.
///
/// # Errors
/// If the signals cannot be taken over.
pub fn watch() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("starting tokio")?;
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = {
            let _inside = runtime.enter();
            signal(kind).context("taking over the signals")?
        };
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                INTERRUPTED.store(true, Ordering::Relaxed);
            }
        });
    }
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
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
