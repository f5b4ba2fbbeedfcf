//! Mounts that last as long as the value that stands for them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// How many mounts a device number is waited for.
const DEVICE_TRIES: u32 = 500;

/// Something mounted; unmounted on drop.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// An empty tmpfs.
    ///
    /// # Errors
    /// If the folder cannot be made or the mount is refused.
    pub fn tmpfs(at: &Path) -> Result<Self> {
        Self::disk(at, 64)
    }

    /// An empty tmpfs that holds so many MiB.
    ///
    /// # Errors
    /// As [`Self::tmpfs`].
    pub fn disk(at: &Path, mebibytes: u32) -> Result<Self> {
        Self::new("tmpfs", at, &format!("size={mebibytes}m,mode=755"))
    }

    /// An empty tmpfs whose device number is this one, which must have become free.
    ///
    /// # Errors
    /// As [`Self::tmpfs`], or if the kernel does not hand out the number.
    pub fn tmpfs_on_device(at: &Path, device: u64) -> Result<Self> {
        // The kernel hands out the lowest free number; the lower ones are kept until it has come to this.
        let mut others = Vec::new();
        for n in 0..DEVICE_TRIES {
            let mounted = Self::tmpfs(at)?;
            let got = fs::metadata(at).with_context(|| format!("looking at {}", at.display()))?.dev();
            if got == device {
                return Ok(mounted);
            }
            drop(mounted);
            others.push(Self::tmpfs(&at.with_extension(format!("aside-{n}")))?);
        }
        bail!("device number {device} was not handed out again in {DEVICE_TRIES} mounts");
    }

    /// A folder or file at another place.
    ///
    /// # Errors
    /// As [`Self::tmpfs`]. A file must be there to be covered.
    pub fn bind(from: &Path, at: &Path) -> Result<Self> {
        mount(Some(from), at, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .with_context(|| format!("binding {} at {}", from.display(), at.display()))?;
        Ok(Self { at: at.to_owned() })
    }

    /// Layers as a container's root: `lower` is the image, `upper` takes what is written.
    ///
    /// # Errors
    /// As [`Self::tmpfs`].
    pub fn overlay(at: &Path, lower: &[&Path], upper: &Path, work: &Path) -> Result<Self> {
        for folder in [upper, work] {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        let lower: Vec<String> = lower.iter().map(|layer| layer.display().to_string()).collect();
        let (lower, upper, work) = (lower.join(":"), upper.display(), work.display());
        Self::new("overlay", at, &format!("lowerdir={lower},upperdir={upper},workdir={work}"))
    }

    fn new(kind: &str, at: &Path, options: &str) -> Result<Self> {
        fs::create_dir_all(at).with_context(|| format!("creating {}", at.display()))?;
        mount(Some(kind), at, Some(kind), MsFlags::empty(), Some(options))
            .with_context(|| format!("mounting {kind} at {}", at.display()))?;
        Ok(Self { at: at.to_owned() })
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.at.join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What is left is unmounted with the place.
        let _ = umount2(&self.at, MntFlags::MNT_DETACH);
    }
}

/// Unmounts everything at or below a folder.
pub(super) fn unmount_below(folder: &Path) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    for at in points_below(&table, folder).iter().rev() {
        umount2(at, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// Mount points at or below a folder, in the order in which they were mounted.
fn points_below(table: &str, folder: &Path) -> Vec<PathBuf> {
    let point = |line: &str| line.split(' ').nth(4).map(PathBuf::from);
    table.lines().filter_map(point).filter(|at| at.starts_with(folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_below_a_folder_are_found() {
        let table = "22 27 0:21 / /proc rw - proc proc rw\n\
                     30 27 0:40 / /tmp/run-1/a rw shared:1 - tmpfs tmpfs rw\n\
                     31 27 0:41 / /tmp/run-10 rw - tmpfs tmpfs rw\n";
        assert_eq!(points_below(table, Path::new("/tmp/run-1")), [Path::new("/tmp/run-1/a")]);
    }
}
