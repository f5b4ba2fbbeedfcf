//! The folder of one run, and the cgroup of the same name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use super::{cgroups, random, sweep};

/// Where runs have their folders.
pub(super) const BASE: &str = "/tmp";
/// Held locked by a run that is not over.
pub(super) const LOCK: &str = "lock";

/// Where everything of one run lies. Gone on drop, with all that was mounted or ran in it.
#[derive(Debug)]
pub struct Place {
    name: String,
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Place {
    /// Makes a place `PREFIX-<digits>`, after what aborted runs of the same prefix left has been taken away.
    ///
    /// # Errors
    /// If that, or making the folder, fails.
    pub fn new(prefix: &str) -> Result<Self> {
        sweep::left_behind(prefix)?;
        let name = format!("{prefix}-{}", random::hex_digits(6)?);
        let folder = Path::new(BASE).join(&name);
        fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let lock = File::create(folder.join(LOCK))
            .with_context(|| format!("creating {}", folder.join(LOCK).display()))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| errno)
            .with_context(|| format!("locking {}", folder.display()))?;
        Ok(Self { name, folder, _lock: lock })
    }

    /// Its name, which is also that of its cgroup.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part of its name that no other run has.
    pub fn digits(&self) -> &str {
        self.name.rsplit_once('-').map_or(&self.name, |(_, digits)| digits)
    }

    /// A path in it.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.folder.join(inside)
    }

    /// The cgroup of this run in the v2 hierarchy, where containers have theirs.
    ///
    /// # Errors
    /// If there is no such hierarchy.
    pub fn cgroup_folder(&self) -> Result<PathBuf> {
        Ok(cgroups::v2_root()?.join(&self.name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = sweep::clear(&self.name, &self.folder) {
            eprintln!("could not take everything of {} away: {error:#}", self.folder.display());
        }
    }
}
