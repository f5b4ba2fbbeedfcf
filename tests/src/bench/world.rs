//! A world in which something of the system is not there, for the programs that are started in it.

use std::path::Path;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Does this where a folder looks empty: in a mount namespace of its own, which ends with the last program in it.
pub(super) fn where_empty<T: Send>(folder: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let in_it = || {
        // The namespace is this thread's alone, and that of its children.
        unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace")?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
            .context("keeping mounts to the namespace")?;
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("hiding {}", folder.display()))?;
        work()
    };
    thread::scope(|scope| scope.spawn(in_it).join())
        .map_err(|_| anyhow!("the thread in the other world failed"))?
}
