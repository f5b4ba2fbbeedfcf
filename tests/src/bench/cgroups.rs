//! The cgroups of a run, in every hierarchy that this machine has.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::{Look, until_even_if_interrupted};

/// Where the v2 hierarchy is mounted.
///
/// # Errors
/// If there is none.
pub fn v2_root() -> Result<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("reading the mount table")?;
    hierarchies_in(&table)
        .into_iter()
        .find_map(|(at, version)| (version == 2).then_some(at))
        .context("no cgroup v2 hierarchy is mounted")
}

/// Kills what runs in a run's cgroups and removes them.
///
/// # Errors
/// If something does not die, or a cgroup stays.
pub(super) fn remove(name: &str) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("reading the mount table")?;
    for (root, _) in hierarchies_in(&table) {
        let top = root.join(name);
        if top.exists() {
            until_even_if_interrupted(&format!("the end of {}", top.display()), || {
                end_processes(&top);
                Ok(match remove_tree(&top) {
                    Ok(()) => Look::Found(()),
                    Err(error) => Look::NotYet(error.to_string()),
                })
            })?;
        }
    }
    Ok(())
}

/// Mount points of cgroup hierarchies with their versions.
fn hierarchies_in(table: &str) -> Vec<(PathBuf, u8)> {
    let hierarchy = |line: &str| {
        let (mount, kind) = line.split_once(" - ")?;
        let version = match kind.split(' ').next()? {
            "cgroup" => 1,
            "cgroup2" => 2,
            _ => return None,
        };
        Some((PathBuf::from(mount.split(' ').nth(4)?), version))
    };
    table.lines().filter_map(hierarchy).collect()
}

fn end_processes(folder: &Path) {
    for folder in tree(folder) {
        // A process in here is of our run: nobody else knows the cgroup's name.
        for pid in fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default().lines() {
            if let Ok(pid) = pid.parse().map(Pid::from_raw) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

fn remove_tree(top: &Path) -> io::Result<()> {
    for folder in tree(top).iter().rev() {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A folder and those below it, each after its parent.
fn tree(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![top.to_owned()];
    let mut next = 0;
    while next < found.len() {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        found.extend(folders.map(|entry| entry.path()).collect::<Vec<_>>());
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let table = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                     32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                     41 31 0:38 / /sys/fs/cgroup/unified rw shared:3 - cgroup2 cgroup2 rw\n";
        let found = hierarchies_in(table);
        assert_eq!(found[0], (PathBuf::from("/sys/fs/cgroup/cpu"), 1));
        assert_eq!(found[1], (PathBuf::from("/sys/fs/cgroup/unified"), 2));
        assert_eq!(found.len(), 2);
    }
}
