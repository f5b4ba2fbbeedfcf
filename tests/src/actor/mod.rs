//! What an application or an attacker does inside a container, as single steps whose errno is reported.
//!
//! The content of what is read is counted and dropped; it is never printed, so that a search for a secret's value in
//! everything that a test leaves behind finds only what the agent has leaked.

mod given;
mod hands;
mod serve;
mod steps;
mod wire;

pub use serve::serve;
pub use wire::{Reply, Request};

use given::Given;
pub use hands::Hands;
use nix::errno::Errno;

/// A step that the system refused, or that was asked for in a way that makes no sense (EINVAL).
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {errno}")]
pub struct Refused {
    /// What was being done, to what.
    pub doing: String,
    /// What the system said.
    pub errno: Errno,
}

/// What a step says of its success: numbers and names, never a secret's content.
type Done = Result<String, Refused>;

/// Names the call that was refused.
trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Refused>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Refused> {
        self.map_err(|errno| Refused { doing: what(), errno })
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Refused> {
        self.map_err(|error| Refused {
            doing: what(),
            errno: Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EINVAL)),
        })
    }
}

/// Takes one step in this very process.
pub fn take(step: &str, args: &[String], hands: &mut Hands) -> Reply {
    let outcome = match steps::find(step) {
        Some(action) => action(&Given::new(args), hands),
        None => Err(Refused { doing: format!("there is no step `{step}`"), errno: Errno::EINVAL }),
    };
    Reply::from(outcome)
}

/// The names of all steps.
pub fn step_names() -> impl Iterator<Item = &'static str> {
    steps::names()
}
