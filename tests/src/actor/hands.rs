//! What the process holds from one step to the next.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use super::Refused;
use super::given::senseless;

/// Descriptors and listeners by the names that steps gave them.
#[derive(Default)]
pub struct Hands {
    descriptors: HashMap<String, OwnedFd>,
    listeners: HashMap<String, UnixListener>,
}

impl Hands {
    pub(super) fn hold(&mut self, name: &str, descriptor: OwnedFd) {
        self.descriptors.insert(name.to_owned(), descriptor);
    }

    pub(super) fn held(&self, name: &str) -> Result<BorrowedFd<'_>, Refused> {
        let descriptor =
            self.descriptors.get(name).ok_or_else(|| senseless(format!("`{name}` is not held")))?;
        Ok(descriptor.as_fd())
    }

    pub(super) fn release(&mut self, name: &str) -> Result<(), Refused> {
        let held = self.descriptors.remove(name);
        held.map(drop).ok_or_else(|| senseless(format!("`{name}` is not held")))
    }

    pub(super) fn listen(&mut self, at: &str, listener: UnixListener) {
        self.listeners.insert(at.to_owned(), listener);
    }

    pub(super) fn listener(&self, at: &str) -> Result<&UnixListener, Refused> {
        self.listeners.get(at).ok_or_else(|| senseless(format!("nothing listens at {at}")))
    }
}
