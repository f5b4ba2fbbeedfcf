//! The few looks at the disk that secret discovery needs: what a path is, a CSI volume's driver, a file's names.
//!
//! Reads metadata and the kubelet's `vol_data.json`; never a secret's content.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::json::Reader;
use crate::volumes::FileKind;

/// Entries looked at to find a file by its inode.
pub const ENTRIES_MAX: usize = 4_096;
const DEPTH_MAX: usize = 8;

/// What a path is now; `None` if it is not there.
pub fn kind_of(path: &Path) -> Option<FileKind> {
    let found = fs::metadata(path).ok()?;
    Some(if found.is_dir() { FileKind::Folder } else { FileKind::File })
}

/// The driver of a CSI volume, as the kubelet noted it in the volume's folder.
pub fn csi_driver(volume_folder: &Path) -> Option<String> {
    let mut reader = Reader::new(File::open(volume_folder.join("vol_data.json")).ok()?);
    let mut driver = None;
    let read = reader.object(|reader, key| match key {
        "driverName" => reader.text().map(|name| driver = name),
        _ => reader.skip(),
    });
    read.ok().and(driver)
}

/// The names of a file, from itself up to `root`, found by its inode number below `root` on the same file system.
/// For descriptors that were open before the agent: their paths are another mount namespace's.
pub fn names_of(root: &Path, inode: u64) -> Option<Vec<String>> {
    let device = fs::metadata(root).ok()?.dev();
    let mut left = ENTRIES_MAX;
    find(root, device, inode, DEPTH_MAX, &mut left)
}

fn find(folder: &Path, device: u64, inode: u64, depth: usize, left: &mut usize) -> Option<Vec<String>> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        *left = left.checked_sub(1)?;
        let Ok(found) = entry.metadata() else { continue };
        if found.dev() != device {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if found.ino() == inode {
            return Some(vec![name]);
        }
        if found.is_dir()
            && depth > 0
            && let Some(mut names) = find(&entry.path(), device, inode, depth - 1, left)
        {
            names.push(name);
            return Some(names);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volumes::key_of;

    #[test]
    fn a_csi_volumes_driver_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(csi_driver(folder.path()), None);
        let text = r#"{"attachmentID": "x", "driverName": "secrets-store.csi.k8s.io", "volumeLifecycleMode": "Ephemeral"}"#;
        fs::write(folder.path().join("vol_data.json"), text).unwrap();
        assert_eq!(csi_driver(folder.path()).as_deref(), Some("secrets-store.csi.k8s.io"));
    }

    #[test]
    fn a_file_is_named_by_its_inode() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("..2026_11_22/a")).unwrap();
        fs::write(folder.path().join("..2026_11_22/a/pass"), "").unwrap();
        std::os::unix::fs::symlink("..2026_11_22", folder.path().join("..data")).unwrap();
        let inode = fs::metadata(folder.path().join("..data/a/pass")).unwrap().ino();
        let names = names_of(folder.path(), inode).unwrap();
        assert_eq!(names, ["pass", "a", "..2026_11_22"]);
        assert_eq!(key_of(&names).as_deref(), Some("a/pass"));
        assert_eq!(names_of(folder.path(), u64::MAX), None);
    }
}
