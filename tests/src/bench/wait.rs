//! Waiting for something to become true: often looked at, and never for ever.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::interrupt;

/// The longest wait: far beyond what a working system needs, also in an emulated machine under load.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked, at first and after a while.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What a look found.
pub enum Look<T> {
    /// What was waited for.
    Found(T),
    /// Not yet; what there is instead, for the message in case it stays so.
    NotYet(String),
}

/// Looks until it is found. `what` completes "waiting for".
///
/// # Errors
/// If a look fails, if it takes longer than [`PATIENCE`], or if the run is interrupted.
pub fn until<T>(what: &str, look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
    until_within(PATIENCE, what, look)
}

/// As [`until`], with a limit of its own.
///
/// # Errors
/// As [`until`].
pub fn until_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
    looked_for(limit, what, || {
        interrupt::check()?;
        look()
    })
}

/// As [`until`], also when the run has been interrupted: for what takes away and cleans up.
///
/// # Errors
/// If a look fails, or if it takes longer than [`PATIENCE`].
pub fn until_even_if_interrupted<T>(what: &str, look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
    looked_for(PATIENCE, what, look)
}

fn looked_for<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let instead = match look()? {
            Look::Found(found) => return Ok(found),
            Look::NotYet(instead) => instead,
        };
        if begun.elapsed() >= limit {
            bail!("waited {} s in vain for {what}; {instead}", limit.as_secs());
        }
        sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_at_last_is_returned() {
        let mut looks = 0;
        let found = until("the third look", || {
            looks += 1;
            Ok(if looks < 3 { Look::NotYet(String::new()) } else { Look::Found(looks) })
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn what_never_comes_ends_with_what_there_was_instead() {
        let limit = Duration::from_millis(5);
        let waited = looked_for::<()>(limit, "a row", || Ok(Look::NotYet("there were none".to_owned())));
        assert!(waited.unwrap_err().to_string().ends_with("for a row; there were none"));
    }
}
