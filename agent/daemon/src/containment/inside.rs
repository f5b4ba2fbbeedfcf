//! What policies name, looked for in one workload's own root: binaries and unix sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cofferdam_model::Workload;
use cofferdam_policy::{Binary, Policy};
use cofferdam_sensor::abi::policy::{KEY_NAME_LEN, address_of_socket, key_of_name};
use cofferdam_sensor::{Query, Root, abi_inode};

use super::{binaries, home};
use crate::pipeline::Pipeline;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    /// Binaries by the glob that stands for them.
    pub binaries: BTreeMap<String, Vec<Binary>>,
    /// What stands for the unix socket at a path.
    pub sockets: BTreeMap<String, [u8; 16]>,
    /// It was looked at from within, as the workload's own processes see it.
    pub rooted: bool,
}

impl Inside {
    /// Nothing was looked for.
    pub fn is_empty(&self) -> bool {
        self.binaries.is_empty() && self.sockets.is_empty()
    }
}

/// Looks for what these policies name; `None`: there is no root to look in yet. What was found the `last` time from
/// within stays once none of the workload's processes lives where its first one did.
pub fn look(
    workload: &Workload,
    policies: &[&Policy],
    last: Option<&Inside>,
    pipeline: &mut Pipeline,
) -> Option<Inside> {
    let mut globs: BTreeSet<&str> = policies.iter().flat_map(|policy| policy.binaries()).collect();
    let mut paths: BTreeSet<&str> = policies.iter().flat_map(|policy| policy.sockets()).collect();
    if globs.is_empty() && paths.is_empty() {
        return Some(Inside { rooted: true, ..Inside::default() });
    }
    if let Some(root) = home::enter(workload.id, pipeline) {
        let found = look_in(&root, globs, paths, &mut pipeline.query);
        return Some(Inside { rooted: true, ..found });
    }
    let on_host =
        pipeline.state.roots.get(&workload.id).and_then(|path| Root::open(path).ok()).or_else(|| {
            // A unit has the host's.
            (!workload.kind.is_container()).then(|| Root::open(Path::new("/")).ok()).flatten()
        });
    let last = last.filter(|last| last.rooted);
    if on_host.is_none() && last.is_none() {
        return None;
    }
    let mut found = last.cloned().unwrap_or_default();
    // Nobody is at home any more: what was found there stays, and only what was not looked for is.
    globs.retain(|glob| !found.binaries.contains_key(*glob));
    paths.retain(|path| !found.sockets.contains_key(*path));
    if let Some(root) = on_host {
        let beside = look_in(&root, globs, paths, &mut pipeline.query);
        found.binaries.extend(beside.binaries);
        found.sockets.extend(beside.sockets);
    }
    Some(found)
}

fn look_in(root: &Root, globs: BTreeSet<&str>, paths: BTreeSet<&str>, query: &mut Query) -> Inside {
    let sockets = paths.into_iter().filter_map(|path| Some((path.to_owned(), socket(root, path, query)?)));
    let sockets = sockets.collect();
    Inside { binaries: binaries::resolve(root, globs, query), sockets, rooted: false }
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
