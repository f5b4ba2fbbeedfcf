//! The file systems on which files are opened, and the secrets that lie on some of them.
//!
//! Each holds an ordinary file in its root and one as deep as an application's; which of the others are secrets is the
//! agent's configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cofferdam_tests::bench::{Mounted, Place};

/// An ordinary file in the root of a file system.
pub(crate) const ORDINARY: &str = "ordinary";
/// An ordinary file as deep as those of applications are.
pub(crate) const DEEP: &str = "opt/app/lib/ordinary";
/// A file that may be a secret by itself.
pub(crate) const SECRET_FILE: &str = "password";
/// A folder whose files may be secrets.
pub(crate) const SECRET_TREE: &str = "vault";
/// A file in it.
pub(crate) const SECRET_IN_TREE: &str = "vault/token";

/// tmpfs, nothing secret on it.
pub(crate) const PLAIN: &str = "plain";
/// tmpfs with a single secret file.
pub(crate) const BESIDE_FILE: &str = "beside-file";
/// tmpfs with a folder of secrets.
pub(crate) const BESIDE_TREE: &str = "beside-tree";
/// tmpfs, a secret as a whole.
pub(crate) const SECRET: &str = "secret";
/// ext4, nothing secret on it.
pub(crate) const DISK: &str = "disk";
/// ext4 with a folder of secrets, in the second setting.
pub(crate) const DISK_BESIDE_TREE: &str = "disk-beside-tree";

/// Bytes of a disk image.
const IMAGE_SIZE: u64 = 16 << 20;

/// What is opened is no secret at all, but as long as one.
const CONTENT: &str = "nothing to see here, 32 bytes...";

/// All of them, mounted in one folder; unmounted on drop.
pub(crate) struct Files {
    _mounted: Vec<Mounted>,
    folder: PathBuf,
}

impl Files {
    /// Makes them in a place.
    pub(crate) fn make(place: &Place) -> Result<Self> {
        let folder = place.path("files");
        let mut mounted = Vec::new();
        for name in [PLAIN, BESIDE_FILE, BESIDE_TREE, SECRET] {
            mounted.push(Mounted::tmpfs(&folder.join(name))?);
        }
        for name in [DISK, DISK_BESIDE_TREE] {
            mount_disk(&folder.join(name), &place.path(format!("{name}.image")))?;
        }
        let made = Self { _mounted: mounted, folder };
        for name in [PLAIN, BESIDE_FILE, BESIDE_TREE, SECRET, DISK, DISK_BESIDE_TREE] {
            fill(&made.folder.join(name))?;
        }
        Ok(made)
    }

    /// The folder in which they are mounted.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Secrets in memory only, as on a node whose secrets are Kubernetes volumes.
    pub(crate) fn secrets_in_memory(&self) -> Vec<(String, PathBuf)> {
        let secret = |name: &str, path: PathBuf| (format!("bench/{name}"), self.folder.join(path));
        vec![
            secret("file", Path::new(BESIDE_FILE).join(SECRET_FILE)),
            secret("tree", Path::new(BESIDE_TREE).join(SECRET_TREE)),
            secret("whole", SECRET.into()),
        ]
    }

    /// Those, and a folder on a disk.
    pub(crate) fn secrets_on_disk_too(&self) -> Vec<(String, PathBuf)> {
        let mut secrets = self.secrets_in_memory();
        secrets.push(("bench/disk".to_owned(), self.folder.join(DISK_BESIDE_TREE).join(SECRET_TREE)));
        secrets
    }
}

fn fill(root: &Path) -> Result<()> {
    for path in [ORDINARY, DEEP, SECRET_FILE, SECRET_IN_TREE] {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        fs::write(&path, CONTENT).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Mounts an ext4 driver's file system on a block device of its own. It goes with the place.
fn mount_disk(at: &Path, image: &Path) -> Result<()> {
    fs::create_dir_all(at).with_context(|| format!("creating {}", at.display()))?;
    let file = fs::File::create(image).with_context(|| format!("creating {}", image.display()))?;
    file.set_len(IMAGE_SIZE).with_context(|| format!("sizing {}", image.display()))?;
    let (image, at) = (image.to_string_lossy(), at.to_string_lossy());
    busybox(&["mke2fs", "-F", &image])?;
    busybox(&["mount", "-o", "loop", "-t", "ext4", &image, &at])
}

fn busybox(words: &[&str]) -> Result<()> {
    let output = Command::new("busybox").args(words).output().context("starting busybox")?;
    ensure!(
        output.status.success(),
        "`busybox {}` ended with {}: {}",
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
