//! Which files the binaries that policies name are in one container: resolved in its own root, by inode.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_model::glob;
use cofferdam_policy::Binary;
use cofferdam_sensor::abi::process::facts;
use cofferdam_sensor::{Query, Root, abi_inode};

/// Files that one glob may stand for.
const MATCHES_MAX: usize = 1_024;
/// Names that are looked at in one folder.
const NAMES_MAX: usize = 16_384;
/// One file for many programs.
const MULTI_CALL: &[&str] = &["busybox", "toybox", "coreutils", "sbase-box"];

/// Resolves globs of paths in a container's root.
pub fn resolve<'a>(
    root: &Root,
    globs: impl IntoIterator<Item = &'a str>,
    query: &mut Query,
) -> BTreeMap<String, Vec<Binary>> {
    let one = |glob: &str, query: &mut Query| {
        let mut seen = BTreeSet::new();
        let found = expand(root, glob).into_iter().filter_map(|path| identify(root, &path, query));
        let found: Vec<Binary> = found.filter(|it| seen.insert((it.file.ino, it.path.clone()))).collect();
        (glob.to_owned(), found)
    };
    globs.into_iter().map(|glob| one(glob, query)).collect()
}

/// Device and inode of the root that the agent itself has.
pub fn id_of_hosts_root() -> Option<(u64, u64)> {
    fs::metadata("/").map(|it| (it.dev(), it.ino())).ok()
}

fn identify(root: &Root, path: &Path, query: &mut Query) -> Option<Binary> {
    let (found, resolved) = query.file_in(root, path).ok()?;
    let name = resolved.file_name()?.to_string_lossy().into_owned();
    Some(Binary {
        file: abi_inode(found.key),
        path: path.display().to_string(),
        layered: found.facts & facts::OVERLAY != 0,
        multi_call: MULTI_CALL.iter().any(|known| name.starts_with(known)),
    })
}

/// Paths that a glob stands for: each component by itself, so that `/bin/*sh` does not climb into folders.
fn expand(root: &Root, pattern: &str) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/")];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let is_glob = component.contains(['*', '?']);
        let mut longer = Vec::new();
        for path in &paths {
            if !is_glob {
                longer.push(path.join(component));
                continue;
            }
            let names = root.names(path, NAMES_MAX).unwrap_or_default();
            longer.extend(names.iter().filter(|name| glob(component, name)).map(|name| path.join(name)));
        }
        longer.truncate(MATCHES_MAX);
        paths = longer;
    }
    paths
}
