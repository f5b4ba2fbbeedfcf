//! What a process in a container saw of its own deed.

use anyhow::{Result, bail, ensure};
use nix::errno::Errno;

use crate::actor::Reply;

/// Says how a step must have gone for the process that took it.
pub trait Went {
    /// It went through; returns what was found out.
    ///
    /// # Errors
    /// If it was refused.
    fn went_through(self) -> Result<String>;

    /// The system refused it with this errno.
    ///
    /// # Errors
    /// If it went through, or was refused otherwise.
    fn was_refused_with(self, errno: Errno) -> Result<()>;
}

impl Went for Reply {
    fn went_through(self) -> Result<String> {
        match self.errno {
            _ if self.ok => Ok(self.output),
            Some(errno) => bail!("{} was refused with {}", self.output, Errno::from_raw(errno)),
            None => bail!("it failed: {}", self.output),
        }
    }

    fn was_refused_with(self, errno: Errno) -> Result<()> {
        ensure!(!self.ok, "it went through, and must have been refused with {errno}");
        let got = self.errno.map(Errno::from_raw);
        ensure!(got == Some(errno), "{} was refused with {got:?}, not with {errno}", self.output);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errno_counts_and_not_only_that_it_failed() {
        let refused = Reply { ok: false, errno: Some(Errno::EACCES as i32), output: "opening /x".to_owned() };
        assert!(refused.clone().was_refused_with(Errno::EACCES).is_ok());
        assert!(refused.clone().was_refused_with(Errno::EPERM).is_err());
        assert!(refused.went_through().is_err());
    }
}
