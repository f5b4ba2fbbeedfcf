//! Mount tables: `/proc/<pid>/mountinfo` as data, and a watch on its changes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Mounts kept of one table; further ones are only counted.
pub const MOUNTS_MAX: usize = 65_536;
/// Bytes read of one table.
pub const TABLE_BYTES_MAX: u64 = 64 << 20;
/// Times that a table is read again because it changed meanwhile.
const REREADS_MAX: u32 = 4;

/// A device number as the kernel holds it: `major << 20 | minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(pub u32);

impl Device {
    /// From its parts; bits that do not fit the kernel's encoding are dropped.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self((major & 0xfff) << 20 | minor & 0xf_ffff)
    }
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number, unique while it is mounted.
    pub id: u64,
    /// Number of the mount that it stands on (of a lower one at the same place, if they are stacked).
    pub parent: u64,
    /// Superblock.
    pub device: Device,
    /// What of the file system is mounted; `/` for all of it.
    pub root: PathBuf,
    /// Where, as the reading process sees it.
    pub mount_point: PathBuf,
    /// File system type.
    pub fstype: String,
}

/// The mounts of one mount namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountTable {
    /// Every mount, in the kernel's order.
    pub mounts: Vec<Mount>,
    /// Lines that could not be understood.
    pub malformed: u64,
    /// Mounts beyond [`MOUNTS_MAX`].
    pub dropped: u64,
}

impl MountTable {
    /// Parses the text of a `mountinfo` file.
    pub fn parse(text: &[u8]) -> Self {
        let mut table = Self::default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match parse_line(line) {
                None => table.malformed += 1,
                Some(_) if table.mounts.len() == MOUNTS_MAX => table.dropped += 1,
                Some(mount) => table.mounts.push(mount),
            }
        }
        table
    }

    /// Reads the table of the mount namespace that this `mountinfo` file belongs to.
    pub fn read(path: &Path) -> io::Result<Self> {
        MountWatch::open(path)?.table()
    }

    /// The mount on which a path lies, given an absolute path without symbolic links.
    pub fn containing(&self, path: &Path) -> Option<&Mount> {
        let is_root = |mount: &&Mount| {
            !self.mounts.iter().any(|other| other.id == mount.parent && other.id != mount.id)
        };
        let mut found =
            self.mounts.iter().find(|mount| is_root(mount) && path.starts_with(&mount.mount_point))?;
        // Each step goes one mount deeper: a table cannot have more steps than mounts, whatever its numbers say.
        for _ in 0..self.mounts.len() {
            let below = |mount: &&Mount| {
                mount.parent == found.id
                    && mount.id != found.id
                    && mount.mount_point.starts_with(&found.mount_point)
                    && path.starts_with(&mount.mount_point)
            };
            let nearest = |mount: &&Mount| mount.mount_point.as_os_str().len();
            match self.mounts.iter().filter(below).min_by_key(nearest) {
                Some(mount) => found = mount,
                None => break,
            }
        }
        Some(found)
    }

    /// Every superblock that is mounted here.
    pub fn devices(&self) -> BTreeSet<Device> {
        self.mounts.iter().map(|mount| mount.device).collect()
    }
}

/// `36 35 98:0 /root /mount/point rw,relatime shared:1 - ext4 /dev/x rw`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut next = || fields.next();
    let id = number(next()?)?;
    let parent = number(next()?)?;
    let (major, minor) = std::str::from_utf8(next()?).ok()?.split_once(':')?;
    let device = Device::new(major.parse().ok()?, minor.parse().ok()?);
    let root = unescape(next()?);
    let mount_point = unescape(next()?);
    let _options = next()?;
    while next()? != b"-" {} // optional fields: shared:N, master:N, propagate_from:N, unbindable, ...
    let fstype = String::from_utf8_lossy(next()?).into_owned();
    Some(Mount { id, parent, device, root, mount_point, fstype })
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The kernel writes space, tab, newline, backslash and `#` as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                path.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                path.push(byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

/// A `mountinfo` file held open: the kernel tells when its table changes.
///
/// It stays with the mount namespace that it was opened in, also when the process is gone.
#[derive(Debug)]
pub struct MountWatch {
    file: File,
}

impl MountWatch {
    /// Watches the table behind `/proc/<pid>/mountinfo`.
    pub fn open(mountinfo: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(mountinfo)? })
    }

    /// Waits until the table has changed since the last wait (or the opening). False when the time is over first.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        let events = PollFlags::POLLPRI | PollFlags::POLLERR;
        let mut descriptors = [PollFd::new(self.file.as_fd(), events)];
        match poll(&mut descriptors, timeout) {
            Ok(_) => Ok(descriptors[0].revents().is_some_and(|got| got.intersects(events))),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The table now. The kernel hands it out in parts and may change it in between: then it is read again.
    pub fn table(&self) -> io::Result<MountTable> {
        let mut text = Vec::new();
        for _ in 0..=REREADS_MAX {
            text.clear();
            let mut file = &self.file;
            file.rewind()?;
            file.take(TABLE_BYTES_MAX).read_to_end(&mut text)?;
            if !self.wait(Duration::ZERO)? {
                break;
            }
        }
        Ok(MountTable::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn line(id: u64, parent: u64, minor: u32, root: &str, at: &str, fstype: &str) -> String {
        format!("{id} {parent} 0:{minor} {root} {at} rw,relatime shared:4 - {fstype} x rw\n")
    }

    #[test]
    fn a_line_is_read_with_and_without_optional_fields() {
        let text = b"48 45 0:40 / /var/lib/kubelet/pods/U/volumes/kubernetes.io~secret/creds rw,relatime shared:4 master:1 - tmpfs tmpfs rw\n\
            49 48 259:1 /a\\040b /mnt/c\\134d\\011e rw - ext4 /dev/x rw\nnonsense\n";
        let table = MountTable::parse(text);
        assert_eq!(table.malformed, 1);
        assert_eq!(table.mounts[0].device, Device(40));
        assert_eq!(table.mounts[0].fstype, "tmpfs");
        assert_eq!(table.mounts[1].device, Device::new(259, 1));
        assert_eq!(table.mounts[1].root, Path::new("/a b"));
        assert_eq!(table.mounts[1].mount_point, Path::new("/mnt/c\\d\te"));
    }

    #[test]
    fn the_upper_of_stacked_mounts_is_the_visible_one() {
        let text = line(1, 0, 1, "/", "/", "ext4")
            + &line(2, 1, 2, "/", "/a", "tmpfs")
            + &line(3, 2, 3, "/", "/a", "tmpfs")
            + &line(4, 1, 4, "/", "/b/c", "tmpfs")
            + &line(5, 1, 5, "/", "/b", "tmpfs");
        let table = MountTable::parse(text.as_bytes());
        let on = |path: &str| table.containing(Path::new(path)).unwrap().device.0;
        assert_eq!((on("/x"), on("/a/x"), on("/ab")), (1, 3, 1));
        assert_eq!(on("/b/c/x"), 5, "what was mounted at /b later hides /b/c");
    }

    #[test]
    fn a_table_with_a_circle_ends() {
        let text =
            line(1, 0, 1, "/", "/", "x") + &line(2, 3, 2, "/", "/", "x") + &line(3, 2, 3, "/", "/", "x");
        assert!(MountTable::parse(text.as_bytes()).containing(Path::new("/x")).is_some());
    }

    #[test]
    fn our_own_table_is_read_and_watched() {
        let watch = MountWatch::open(Path::new("/proc/self/mountinfo")).unwrap();
        let table = watch.table().unwrap();
        assert_eq!((table.malformed, table.dropped), (0, 0));
        let proc = table.containing(Path::new("/proc/self")).unwrap();
        assert_eq!(proc.fstype, "proc");
        assert!(!watch.wait(Duration::ZERO).unwrap());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let table = MountTable::parse(&text);
            let _ = table.containing(Path::new("/a/b"));
        }

        #[test]
        fn a_path_survives_the_kernels_escaping(path in prop::collection::vec(1_u8..=255, 1..40)) {
            let escaped: Vec<u8> = path.iter().flat_map(|byte| match byte {
                b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
                byte => vec![*byte],
            }).collect();
            prop_assert_eq!(unescape(&escaped).into_os_string().into_vec(), path);
        }
    }
}
