//! Ctrl-C ends the demo like a failure does: at its next step, with everything taken away.
//!
//! The bench's own flag stays untouched: it also stops what waits while things are taken away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How often a pause looks whether it is over early.
const LOOK: Duration = Duration::from_millis(20);

/// From now on SIGINT, SIGTERM and SIGHUP make [`check`] fail instead of ending the program.
pub(super) fn watch() -> Result<()> {
    let about = "taking over the signals";
    let runtime = Builder::new_current_thread().enable_io().build().context(about)?;
    let guard = runtime.enter();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let signals: Vec<Signal> = kinds.into_iter().map(signal).collect::<Result<_, _>>().context(about)?;
    drop(guard);
    for mut signal in signals {
        runtime.spawn(async move {
            while signal.recv().await.is_some() {
                INTERRUPTED.store(true, Ordering::Relaxed);
            }
        });
    }
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(())
}

/// Fails if the demo was interrupted.
pub(super) fn check() -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted; everything has been taken away");
    Ok(())
}

/// Waits, unless the demo is interrupted.
pub(super) fn pause(length: Duration) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < length {
        check()?;
        thread::sleep(LOOK.min(length));
    }
    check()
}
