//! Taking away what a run has made, when it ends or at the start of the next.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::command::{finish, succeed};
use super::place::{BASE, LOCK};
use super::{cgroups, mounts};

/// What aborted runs left: their folders are there, and nobody holds their locks.
pub(super) fn left_behind(prefix: &str) -> Result<()> {
    for entry in fs::read_dir(BASE).with_context(|| format!("reading {BASE}"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_of(&name, prefix) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        // A run that is not over holds the lock.
        if let Ok(lock) = Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            clear(&name, &entry.path()).with_context(|| format!("taking away {}", entry.path().display()))?;
            drop(lock);
        }
    }
    Ok(())
}

/// Whether a folder's name is this prefix and digits.
fn is_of(name: &str, prefix: &str) -> bool {
    let digits = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Ends what runs in a place, unmounts what is mounted, and removes the folder.
pub(super) fn clear(name: &str, folder: &Path) -> Result<()> {
    end_containers(folder)?;
    end_programs(folder);
    cgroups::remove(name)?;
    mounts::unmount_below(folder)
        .with_context(|| format!("unmounting what is below {}", folder.display()))?;
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    bundle: String,
}

fn end_containers(folder: &Path) -> Result<()> {
    let doing = "asking runc for its containers";
    let text = succeed(Command::new("runc").args(["list", "--format", "json"]), doing)?;
    // runc says `null` for none.
    let listed: Option<Vec<Listed>> = serde_json::from_str(&text).context(doing)?;
    for container in listed.unwrap_or_default() {
        if Path::new(&container.bundle).starts_with(folder) {
            end_container(&container.id)?;
        }
    }
    Ok(())
}

/// Kills a container and removes what runc knows of it.
pub(super) fn end_container(id: &str) -> Result<()> {
    let done = finish(Command::new("runc").args(["delete", "--force", id]), "removing a container")?;
    ensure!(
        done.status.success() || done.stderr.contains("does not exist"),
        "runc does not remove the container {id}: {}",
        done.stderr.trim()
    );
    Ok(())
}

/// What runs on the host for a run.
const PROGRAMS: &[&str] = &["cofferdamd", "containerd", "containerd-shim-runc-v2"];

/// Programs of a place are those of these names that were started with its folder in their arguments.
fn end_programs(folder: &Path) {
    let own = std::process::id().to_string();
    let Ok(entries) = fs::read_dir("/proc") else { return };
    let inside = format!("{}/", folder.display());
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse() else { continue };
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        let mut words = arguments.split('\0');
        let program = words.next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if name != own && PROGRAMS.contains(&program) && words.any(|word| word.starts_with(&inside)) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_of_the_same_prefix_is_taken_away() {
        assert!(is_of("cofferdam-test-0af31b", "cofferdam-test"));
        assert!(!is_of("cofferdam-test-", "cofferdam-test"));
        assert!(!is_of("cofferdam-testing-0af31b", "cofferdam-test"));
        assert!(!is_of("cofferdam-test-results", "cofferdam-test"));
    }
}
