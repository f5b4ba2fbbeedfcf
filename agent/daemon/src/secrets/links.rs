//! Where a configured path leads. Symbolic links that were on the way at the first look are followed ever after: tools
//! rotate by swapping them. One that has come later is anybody's who can write there, and is not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Links that are followed on one way, as the kernel has it.
const LINKS_MAX: usize = 40;

/// A way, and its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// No link is on it.
    pub(super) end: PathBuf,
    /// Those that were followed.
    pub(super) links: BTreeSet<PathBuf>,
}

/// Why a way has no end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// A symbolic link that was not there before.
    #[error("{} has become a symbolic link, which is not followed; what lay there before is watched still", .0.display())]
    Link(PathBuf),
    /// Something on it is not there, or no folder.
    #[error(transparent)]
    Gone(#[from] io::Error),
}

/// Goes an absolute path. `known` are the links that may be followed; `None`: any.
pub(super) fn follow(path: &Path, known: Option<&BTreeSet<PathBuf>>) -> Result<Way, Lost> {
    let mut way = Way { end: PathBuf::from("/"), links: BTreeSet::new() };
    let mut followed = 0;
    let mut rest = names(path);
    while let Some(name) = rest.pop() {
        if name == ".." {
            way.end.pop();
            continue;
        }
        let next = way.end.join(name);
        if !fs::symlink_metadata(&next)?.is_symlink() {
            way.end = next;
            continue;
        }
        if known.is_some_and(|known| !known.contains(&next)) {
            return Err(Lost::Link(next));
        }
        followed += 1;
        if followed > LINKS_MAX {
            return Err(Lost::Gone(io::Error::other("too many symbolic links")));
        }
        let to = fs::read_link(&next)?;
        if to.is_absolute() {
            way.end = PathBuf::from("/");
        }
        rest.extend(names(&to));
        way.links.insert(next);
    }
    Ok(way)
}

/// The names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let is_name = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(is_name).map(|part| part.as_os_str().to_owned()).rev().collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder as the kubelet makes it.
    fn volume() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for version in ["..1", "..2"] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("password"), version).unwrap();
        }
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/password", root.join("password")).unwrap();
        (folder, root)
    }

    #[test]
    fn a_link_that_was_there_is_followed_wherever_it_leads_later() {
        let (_folder, root) = volume();
        let first = follow(&root.join("password"), None).unwrap();
        assert_eq!(first.end, root.join("..1/password"));
        assert_eq!(first.links, BTreeSet::from([root.join("..data"), root.join("password")]));
        fs::remove_file(root.join("..data")).unwrap();
        symlink("..2", root.join("..data")).unwrap();
        assert_eq!(
            follow(&root.join("password"), Some(&first.links)).unwrap().end,
            root.join("..2/password")
        );
    }

    #[test]
    fn a_link_that_came_later_is_not_followed() {
        let (_folder, root) = volume();
        let first = follow(&root.join("..1/password"), None).unwrap();
        assert!(first.links.is_empty());
        fs::rename(root.join("..1"), root.join("old")).unwrap();
        symlink("/etc", root.join("..1")).unwrap();
        let lost = follow(&root.join("..1/password"), Some(&first.links)).unwrap_err();
        assert!(matches!(&lost, Lost::Link(link) if *link == root.join("..1")), "{lost}");
    }

    #[test]
    fn a_way_may_lead_up_in_a_circle_or_nowhere() {
        let (_folder, root) = volume();
        assert_eq!(follow(&root.join("..1/../..2"), None).unwrap().end, root.join("..2"));
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert!(matches!(follow(&root.join("a"), None), Err(Lost::Gone(_))));
        assert!(matches!(follow(&root.join("none"), None), Err(Lost::Gone(_))));
    }
}
