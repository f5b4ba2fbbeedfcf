//! From what the rules say to what the kernel is answered.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What the rules say of an open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// No rule speaks against it, or it is no secret.
    Allow,
    /// A rule refuses it.
    Deny,
    /// It is a secret, and the opener is not known: ask again with its /proc folder.
    Who,
}

/// Who is asked.
pub(crate) trait Rules {
    /// Asks about our own descriptor of the file, and the opener.
    fn ask(&self, file: BorrowedFd<'_>, tgid: u32, folder: Option<BorrowedFd<'_>>) -> io::Result<Said>;
}

/// What became of an open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It goes on.
    Allowed,
    /// A rule refuses it; the kernel's program has told of it.
    Denied,
    /// Refused, because nobody could say whose it is, or what the rules say.
    Unclear,
}

/// Asks the rules; whom they do not know is shown to them by `folder`.
pub(crate) fn judge(
    rules: &impl Rules,
    file: BorrowedFd<'_>,
    tgid: u32,
    folder: impl FnOnce(u32) -> Option<OwnedFd>,
) -> Outcome {
    let said = match rules.ask(file, tgid, None) {
        Ok(Said::Who) => match folder(tgid) {
            Some(folder) => rules.ask(file, tgid, Some(folder.as_fd())),
            None => Ok(Said::Who),
        },
        said => said,
    };
    match said {
        Ok(Said::Allow) => Outcome::Allowed,
        Ok(Said::Deny) => Outcome::Denied,
        // Its process has been killed meanwhile, or the kernel is out of memory.
        Ok(Said::Who) | Err(_) => Outcome::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Scripted {
        known: io::Result<Said>,
        shown: io::Result<Said>,
        asked: Cell<u32>,
    }

    impl Rules for Scripted {
        fn ask(&self, _: BorrowedFd<'_>, _: u32, folder: Option<BorrowedFd<'_>>) -> io::Result<Said> {
            self.asked.set(self.asked.get() + 1);
            let said = if folder.is_some() { &self.shown } else { &self.known };
            said.as_ref().copied().map_err(|error| error.kind().into())
        }
    }

    fn outcome(known: io::Result<Said>, shown: io::Result<Said>, folder: bool) -> (Outcome, u32) {
        let rules = Scripted { known, shown, asked: Cell::new(0) };
        let file = std::fs::File::open("/dev/null").unwrap();
        let outcome = judge(&rules, file.as_fd(), 1, |_| folder.then(|| file.try_clone().unwrap().into()));
        (outcome, rules.asked.get())
    }

    fn broken() -> io::Result<Said> {
        Err(io::ErrorKind::OutOfMemory.into())
    }

    #[test]
    fn the_rules_are_asked_once_about_whom_they_know() {
        assert_eq!(outcome(Ok(Said::Allow), Ok(Said::Deny), true), (Outcome::Allowed, 1));
        assert_eq!(outcome(Ok(Said::Deny), Ok(Said::Allow), true), (Outcome::Denied, 1));
    }

    #[test]
    fn whom_they_do_not_know_is_shown_to_them() {
        assert_eq!(outcome(Ok(Said::Who), Ok(Said::Allow), true), (Outcome::Allowed, 2));
        assert_eq!(outcome(Ok(Said::Who), Ok(Said::Deny), true), (Outcome::Denied, 2));
    }

    #[test]
    fn whom_nobody_can_name_is_refused() {
        assert_eq!(outcome(Ok(Said::Who), Ok(Said::Allow), false), (Outcome::Unclear, 1));
        assert_eq!(outcome(Ok(Said::Who), Ok(Said::Who), true), (Outcome::Unclear, 2));
    }

    #[test]
    fn an_open_is_refused_when_the_rules_cannot_be_asked() {
        assert_eq!(outcome(broken(), Ok(Said::Allow), true), (Outcome::Unclear, 1));
        assert_eq!(outcome(Ok(Said::Who), broken(), true), (Outcome::Unclear, 2));
    }
}
