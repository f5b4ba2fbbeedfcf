//! What policies name, looked for in one workload's own root: binaries and unix sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cofferdam_model::Workload;
use cofferdam_policy::{Binary, Policy};
use cofferdam_sensor::abi::policy::{KEY_NAME_LEN, address_of_socket, key_of_name};
use cofferdam_sensor::{Query, Root, abi_inode};

use super::binaries;
use crate::pipeline::Pipeline;

/// What was found.
#[derive(Debug, Default)]
pub struct Inside {
    /// Binaries by the glob that stands for them.
    pub binaries: BTreeMap<String, Vec<Binary>>,
    /// What stands for the unix socket at a path.
    pub sockets: BTreeMap<String, [u8; 16]>,
    /// It was looked at from within, as the workload's own processes see it.
    pub rooted: bool,
}

/// Looks for what these policies name; `None`: there is no root to look in yet.
pub fn look(workload: &Workload, policies: &[&Policy], pipeline: &mut Pipeline) -> Option<Inside> {
    let globs: BTreeSet<&str> = policies.iter().flat_map(|policy| policy.binaries()).collect();
    let paths: BTreeSet<&str> = policies.iter().flat_map(|policy| policy.sockets()).collect();
    if globs.is_empty() && paths.is_empty() {
        return Some(Inside { rooted: true, ..Inside::default() });
    }
    let within = pipeline
        .state
        .processes
        .running()
        .filter(|process| process.workload == workload.id && !process.runtime)
        .map(|process| PathBuf::from(format!("/proc/{}/root", process.key.pid)))
        // A runtime that was taken for the container's own process has not entered its root yet.
        .filter(|path| !workload.kind.is_container() || !binaries::is_hosts_root(path))
        .find_map(|path| Root::open(&path).ok());
    let rooted = within.is_some();
    let on_host = || pipeline.state.roots.get(&workload.id).and_then(|path| Root::open(path).ok());
    let root = within.or_else(on_host).or_else(|| {
        // A unit has the host's.
        (!workload.kind.is_container()).then(|| Root::open(Path::new("/")).ok()).flatten()
    })?;
    let query = &mut pipeline.query;
    let sockets = paths.into_iter().filter_map(|path| Some((path.to_owned(), socket(&root, path, query)?)));
    let sockets = sockets.collect();
    Some(Inside { binaries: binaries::resolve(&root, globs, query), sockets, rooted })
}

/// What stands for the socket at a path. Its folder must be there, the socket need not.
fn socket(root: &Root, path: &str, query: &mut Query) -> Option<[u8; 16]> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder = if folder.is_empty() { "/" } else { folder };
    let (found, _) = query.file_in(root, Path::new(folder)).ok()?;
    let mut bytes = [0; KEY_NAME_LEN];
    bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    Some(address_of_socket(abi_inode(found.key), key_of_name(&bytes)))
}
