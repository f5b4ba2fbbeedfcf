//! Files of a container by their path in it, whoever owns its links.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// The root folder of a container: links below it lead to where the container's own would.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the root, on the host (`/run/.../rootfs`) or of a process (`/proc/<pid>/root`).
    ///
    /// # Errors
    /// If it is not there.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let folder = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC)
            .open(path)?;
        let shown = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
        Ok(Self { folder: folder.into(), path: shown })
    }

    /// Device and inode of the folder itself.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn id(&self) -> std::io::Result<(u64, u64)> {
        let found = nix::sys::stat::fstat(&self.folder)?;
        Ok((found.st_dev, found.st_ino))
    }

    /// Opens a place in it, without waiting for anybody and without reading.
    pub(crate) fn place(&self, inside: &Path) -> std::io::Result<File> {
        Ok(self.open_at(inside, OFlag::O_PATH)?.into())
    }

    /// Names in a folder of it, at most so many.
    ///
    /// # Errors
    /// If it is no folder.
    pub fn names(&self, inside: &Path, most: usize) -> std::io::Result<Vec<String>> {
        let folder = self.open_at(inside, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK)?;
        let mut dir = Dir::from_fd(folder)?;
        let names =
            dir.iter().flatten().filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
        Ok(names.filter(|name| name != "." && name != "..").take(most).collect())
    }

    /// The path in the container of what was opened there, links resolved.
    pub(crate) fn inside(&self, opened: &File) -> Option<PathBuf> {
        let shown = std::fs::read_link(format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd())).ok()?;
        Some(Path::new("/").join(shown.strip_prefix(&self.path).unwrap_or(&shown)))
    }

    fn open_at(&self, inside: &Path, flags: OFlag) -> std::io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(Mode::empty())
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        Ok(openat2(&self.folder, inside, how)?)
    }
}
