//! Where a workload's own programs live: in which mount namespace, and under which root. A process may leave it for a
//! namespace of its own, where it puts any file at any path; what policies name is never looked for there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cofferdam_model::{Process, WorkloadId};
use cofferdam_sensor::Root;
use cofferdam_sensor::abi::process::{ProcessState, flags};

use super::binaries;
use crate::facts;
use crate::pipeline::Pipeline;

/// Processes of one workload that are looked at: its own are the oldest.
const LOOKED_AT_MAX: usize = 64;
/// What systemd runs in a unit's cgroup before the unit's own program, still outside of the unit's root.
const STARTERS: &[&str] = &["systemd", "systemd-executor"];

/// Where a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// Inode of its mount namespace.
    mounts: u64,
    /// Device and inode of its root.
    root: (u64, u64),
}

/// The root of a process, and where it lives.
fn of(pid: u32) -> Option<(Root, Home)> {
    let root = Root::open(Path::new(&format!("/proc/{pid}/root"))).ok()?;
    let id = root.id().ok()?;
    // Asked after the root: who has left a namespace without being privileged does not come back.
    let mounts = fs::metadata(format!("/proc/{pid}/ns/mnt")).ok()?.ino();
    Some((root, Home { mounts, root: id }))
}

/// The root of a workload as its own programs see it. Where they live is noted when it is first asked; `None`: none of
/// them lives there (any more).
pub fn enter(workload: WorkloadId, pipeline: &mut Pipeline) -> Option<Root> {
    let is_container = pipeline.state.is_container(workload);
    let known = pipeline.state.homes.get(&workload).copied();
    // A runtime that was taken for the container's own process has not entered its root yet.
    let hosts = if is_container { binaries::id_of_hosts_root() } else { None };
    let inside = oldest_first(workload, pipeline).into_iter().filter_map(of);
    let (root, home) = choose(known, inside, |home| Some(home.root) != hosts)?;
    pipeline.state.homes.insert(workload, home);
    Some(root)
}

/// The first that lives where the workload is known to live; if that is not known, the first that may.
fn choose<T>(
    known: Option<Home>,
    mut oldest_first: impl Iterator<Item = (T, Home)>,
    may_be_home: impl Fn(Home) -> bool,
) -> Option<(T, Home)> {
    oldest_first.find(|(_, home)| known.map_or_else(|| may_be_home(*home), |known| known == *home))
}

/// Its own processes.
fn oldest_first(workload: WorkloadId, pipeline: &Pipeline) -> Vec<u32> {
    let is_container = pipeline.state.is_container(workload);
    let mut own: Vec<&Process> = pipeline
        .state
        .processes
        .running()
        .filter(|it| it.workload == workload && (is_container || !is_starter(it)))
        .filter(|it| pipeline.tables.process(it.key.pid).is_some_and(|now| is_own(it, &now)))
        .collect();
    own.sort_by_key(|it| it.key.start);
    own.iter().map(|it| it.key.pid).take(LOOKED_AT_MAX).collect()
}

/// Whether the kernel still knows this process, as one of the workload's own programs: its number may be another's by
/// now, and its exec may not have been told.
fn is_own(process: &Process, now: &ProcessState) -> bool {
    facts::process_key(now) == Some(process.key) && now.flags & flags::RUNTIME == 0
}

fn is_starter(process: &Process) -> bool {
    let name = process.executable.path.as_deref().and_then(|path| path.rsplit('/').next());
    name.is_some_and(|name| STARTERS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Home = Home { mounts: 7, root: (1, 2) };
    const UNSHARED: Home = Home { mounts: 8, root: (1, 2) };
    const CHANGED_ROOT: Home = Home { mounts: 7, root: (1, 9) };

    fn chosen(known: Option<Home>, homes: &[Home]) -> Option<usize> {
        choose(known, homes.iter().copied().enumerate(), |_| true).map(|(index, _)| index)
    }

    #[test]
    fn a_process_with_mounts_or_a_root_of_its_own_is_not_asked() {
        assert_eq!(chosen(Some(HOME), &[UNSHARED, CHANGED_ROOT, HOME]), Some(2));
        assert_eq!(chosen(Some(HOME), &[UNSHARED, CHANGED_ROOT]), None);
    }

    #[test]
    fn where_nothing_is_known_the_oldest_tells_unless_it_is_still_outside() {
        assert_eq!(chosen(None, &[HOME, UNSHARED]), Some(0));
        let inside = choose(None, [UNSHARED, HOME].into_iter().enumerate(), |home| home == HOME);
        assert_eq!(inside.map(|(index, _)| index), Some(1));
        assert_eq!(chosen(None, &[]), None);
    }

    #[test]
    fn a_process_lives_in_one_place() {
        let own = of(std::process::id()).map(|(_, home)| home);
        assert!(own.is_some_and(|own| Some(own.root) == binaries::id_of_hosts_root()));
        assert_eq!(own, of(std::process::id()).map(|(_, home)| home));
    }
}
