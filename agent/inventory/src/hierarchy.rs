//! The cgroup v2 hierarchy: where it is mounted, and what stands in it now.
//!
//! A folder's inode number is the cgroup's id. cgroup v1 hierarchies number from 1 each and are not read: a node
//! with nothing else is refused.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use cofferdam_model::CgroupId;

use crate::mounts::MountTable;

/// Cgroups found by one walk; a larger hierarchy is cut, and says so.
pub const WALK_MAX: usize = 32_768;

/// Why there is no hierarchy to read.
#[derive(Debug, thiserror::Error)]
pub enum HierarchyError {
    /// Only version 1.
    #[error(
        "cgroup v2 is not mounted, only version 1: processes cannot be tied to workloads. Boot with \
         systemd.unified_cgroup_hierarchy=1, or mount it beside: mount -t cgroup2 none /sys/fs/cgroup/unified"
    )]
    OnlyVersion1,
    /// Neither.
    #[error(
        "cgroup v2 is not mounted: processes cannot be tied to workloads. Mount it: mount -t cgroup2 none /sys/fs/cgroup"
    )]
    NotMounted,
    /// Seen from a cgroup namespace.
    #[error(
        "the cgroup v2 mount at {mount_point} shows only {root}: run the agent in the host's cgroup namespace",
        mount_point = .mount_point.display(), root = .root.display()
    )]
    NotTheHosts {
        /// Where it is mounted.
        mount_point: PathBuf,
        /// What of it.
        root: PathBuf,
    },
    /// The root could not be read.
    #[error("cannot read the cgroup hierarchy at {path}: {error}", path = .path.display())]
    Unreadable {
        /// The mount point.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A cgroup that stands in the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCgroup {
    /// Its id.
    pub id: CgroupId,
    /// Its parent; its own id for the root.
    pub parent: CgroupId,
    /// Its path below the root, `/` for the root itself.
    pub path: String,
}

/// One walk through the hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// What was found, parents before their children.
    pub cgroups: Vec<FoundCgroup>,
    /// There was more than [`WALK_MAX`].
    pub cut: bool,
}

/// The mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    mount_point: PathBuf,
}

impl Hierarchy {
    /// Finds it in a mount table: alone at `/sys/fs/cgroup`, or beside version 1 (hybrid).
    pub fn find(table: &MountTable) -> Result<Self, HierarchyError> {
        let mut partial = None;
        for mount in table.mounts.iter().filter(|mount| mount.fstype == "cgroup2") {
            let visible = table.containing(&mount.mount_point).is_some_and(|top| top.id == mount.id);
            if visible && mount.root == Path::new("/") {
                return Ok(Self { mount_point: mount.mount_point.clone() });
            }
            if visible {
                partial = Some((mount.mount_point.clone(), mount.root.clone()));
            }
        }
        Err(match partial {
            Some((mount_point, root)) => HierarchyError::NotTheHosts { mount_point, root },
            None if table.mounts.iter().any(|mount| mount.fstype == "cgroup") => HierarchyError::OnlyVersion1,
            None => HierarchyError::NotMounted,
        })
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// What stands in it now. Cgroups that vanish meanwhile are left out.
    pub fn walk(&self) -> Result<Walk, HierarchyError> {
        let unreadable = |error| HierarchyError::Unreadable { path: self.mount_point.clone(), error };
        let root = CgroupId(fs::metadata(&self.mount_point).map_err(unreadable)?.ino());
        let mut walk = Walk::default();
        walk.cgroups.push(FoundCgroup { id: root, parent: root, path: "/".to_owned() });
        let mut waiting = VecDeque::from([(root, self.mount_point.clone(), String::new())]);
        while let Some((parent, folder, path)) = waiting.pop_front() {
            for (id, name) in children(&folder) {
                if walk.cgroups.len() == WALK_MAX {
                    walk.cut = true;
                    return Ok(walk);
                }
                let path = format!("{path}/{name}");
                walk.cgroups.push(FoundCgroup { id, parent, path: path.clone() });
                waiting.push_back((id, folder.join(name), path));
            }
        }
        Ok(walk)
    }

    /// The cgroup at a path and those above it, nearest first, the root left out. Empty if it is gone.
    pub fn upwards(&self, path: &str) -> Vec<CgroupId> {
        let folder = self.mount_point.join(path.trim_start_matches('/'));
        let above = folder.ancestors().take_while(|folder| *folder != self.mount_point);
        above.map_while(|folder| Some(CgroupId(fs::metadata(folder).ok()?.ino()))).collect()
    }

    /// The path of a cgroup, given its parent's: for when the kernel's buffer was too short for it.
    pub fn path_below(&self, parent_path: &str, id: CgroupId) -> Option<String> {
        let below = parent_path.trim_start_matches('/');
        let (_, name) =
            children(&self.mount_point.join(below)).into_iter().find(|(child, _)| *child == id)?;
        Some(if below.is_empty() { format!("/{name}") } else { format!("/{below}/{name}") })
    }
}

fn children(folder: &Path) -> Vec<(CgroupId, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let named =
        |entry: fs::DirEntry| (CgroupId(entry.ino()), entry.file_name().to_string_lossy().into_owned());
    entries.flatten().filter(is_folder).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(lines: &[&str]) -> Result<Hierarchy, HierarchyError> {
        let root = "1 0 8:1 / / rw - ext4 x rw\n".to_owned();
        Hierarchy::find(&MountTable::parse((root + &lines.join("\n")).as_bytes()))
    }

    #[test]
    fn both_the_pure_and_the_hybrid_layout_are_found() {
        let pure = find(&["2 1 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"]).unwrap();
        assert_eq!(pure.mount_point(), Path::new("/sys/fs/cgroup"));
        let hybrid = find(&[
            "2 1 0:30 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
            "3 2 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            "4 2 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
        ]);
        assert_eq!(hybrid.unwrap().mount_point(), Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn other_layouts_are_refused_with_what_to_do() {
        let v1 = find(&["2 1 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"]).unwrap_err();
        assert!(v1.to_string().contains("only version 1"));
        assert!(find(&[]).unwrap_err().to_string().contains("mount -t cgroup2"));
        let namespaced = find(&["2 1 0:30 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw"]).unwrap_err();
        assert!(namespaced.to_string().contains("shows only /../.."));
    }

    #[test]
    fn a_walk_lists_parents_first_and_ids_are_inode_numbers() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::create_dir_all(folder.path().join("c")).unwrap();
        fs::write(folder.path().join("a/cgroup.procs"), "").unwrap();
        let hierarchy = Hierarchy { mount_point: folder.path().to_owned() };
        let walk = hierarchy.walk().unwrap();
        let mut paths: Vec<_> = walk.cgroups.iter().map(|found| found.path.as_str()).collect();
        assert!(paths.iter().position(|p| *p == "/a") < paths.iter().position(|p| *p == "/a/b"));
        paths.sort_unstable();
        assert_eq!(paths, ["/", "/a", "/a/b", "/c"]);
        let b = walk.cgroups.iter().find(|found| found.path == "/a/b").unwrap();
        assert_eq!(b.id.0, fs::metadata(folder.path().join("a/b")).unwrap().ino());
        assert_eq!(hierarchy.path_below("/a", b.id).as_deref(), Some("/a/b"));
        assert_eq!(hierarchy.path_below("/", b.parent).as_deref(), Some("/a"));
        assert_eq!(hierarchy.path_below("/c", b.id), None);
        assert_eq!(hierarchy.upwards("/a/b"), [b.id, b.parent]);
        assert_eq!(hierarchy.upwards("/"), []);
        assert_eq!(hierarchy.upwards("/gone"), []);
    }
}
