//! What runs when the agent starts: processes with their cgroups, and descriptors of secrets that are already open.
//!
//! Processes come and go while this is read; what vanishes is counted and left out. `environ`, `mem` and `cmdline`
//! are never opened, and no descriptor is followed further than its metadata.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_model::AccessMode;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::mounts::Device;

/// Processes looked at in one scan.
pub const PROCESSES_MAX: usize = 131_072;
/// Descriptors looked at per process.
pub const DESCRIPTORS_MAX: usize = 65_536;
/// Bytes read of one small file.
const SMALL_FILE_MAX: u64 = 64 << 10;

/// A process that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProcess {
    /// Thread-group id.
    pub pid: u32,
    /// Parent's thread-group id, 0 for none.
    pub ppid: u32,
    /// A thread of the kernel: it has no executable.
    pub kernel_thread: bool,
    /// Path of its cgroup v2, as the agent's cgroup namespace shows it.
    pub cgroup_path: Option<String>,
}

/// A descriptor of a file on a watched file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    /// Thread-group id of the holder.
    pub pid: u32,
    /// Descriptor.
    pub fd: u32,
    /// File system.
    pub device: Device,
    /// File.
    pub inode: u64,
    /// How it was opened.
    pub mode: AccessMode,
}

/// One scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// What runs.
    pub processes: Vec<FoundProcess>,
    /// Descriptors of secrets.
    pub held: Vec<HeldFile>,
    /// Processes that ended while they were looked at.
    pub vanished: u64,
    /// Processes whose descriptors may not be looked at.
    pub unreadable: u64,
    /// Processes and descriptors beyond the bounds.
    pub dropped: u64,
}

/// Looks at every process below `proc` (`/proc`), and at descriptors of files on `devices`.
pub fn scan(proc: &Path, devices: &BTreeSet<Device>) -> io::Result<Scan> {
    let mut scan = Scan::default();
    for entry in fs::read_dir(proc)? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if scan.processes.len() == PROCESSES_MAX {
            scan.dropped += 1;
            continue;
        }
        match process(&entry.path(), pid) {
            Some(found) => scan.processes.push(found),
            None => scan.vanished += 1,
        }
    }
    if devices.is_empty() {
        return Ok(scan);
    }
    for number in 0..scan.processes.len() {
        let FoundProcess { pid, kernel_thread, .. } = scan.processes[number];
        if !kernel_thread {
            held_by(&proc.join(pid.to_string()), pid, devices, &mut scan);
        }
    }
    Ok(scan)
}

/// One process; `None` if it is gone.
pub fn process(folder: &Path, pid: u32) -> Option<FoundProcess> {
    let Stat { ppid, kernel_thread } = parse_stat(&small_file(&folder.join("stat")).ok()?)?;
    let cgroup_path = small_file(&folder.join("cgroup")).ok().and_then(|text| cgroup_v2_path(&text));
    Some(FoundProcess { pid, ppid, kernel_thread, cgroup_path })
}

fn held_by(folder: &Path, pid: u32, devices: &BTreeSet<Device>, scan: &mut Scan) {
    let entries = match fs::read_dir(folder.join("fd")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            scan.vanished += 1;
            return;
        }
        Err(_) => {
            scan.unreadable += 1;
            return;
        }
    };
    for (number, entry) in entries.flatten().enumerate() {
        if number == DESCRIPTORS_MAX {
            scan.dropped += 1;
            return;
        }
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some((device, inode)) = file_behind(&entry.path()) else { continue };
        if !devices.contains(&device) {
            continue;
        }
        let info = small_file(&folder.join("fdinfo").join(entry.file_name())).unwrap_or_default();
        if let Some(mode) = opened_for(&info) {
            scan.held.push(HeldFile { pid, fd, device, inode, mode });
        }
    }
}

/// Device and inode of a descriptor, without asking the server of a network file system, which may not answer.
fn file_behind(descriptor: &PathBuf) -> Option<(Device, u64)> {
    let wanted = StatxFlags::INO | StatxFlags::TYPE;
    let found = statx(CWD, descriptor, AtFlags::STATX_DONT_SYNC, wanted).ok()?;
    let regular = u32::from(found.stx_mode) & 0o170_000 == 0o100_000;
    regular.then(|| (Device::new(found.stx_dev_major, found.stx_dev_minor), found.stx_ino))
}

fn small_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(SMALL_FILE_MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// The path of the version 2 line (`0::/path`) of `/proc/<pid>/cgroup`.
pub fn cgroup_v2_path(text: &[u8]) -> Option<String> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    let path = String::from_utf8_lossy(line);
    let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
    path.starts_with('/').then(|| path.to_owned())
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ppid: u32,
    kernel_thread: bool,
}

/// `pid (name) state ppid pgrp session tty tpgid flags ...`; the name may hold anything, `)` included.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    const PF_KTHREAD: u32 = 0x0020_0000;
    let after_name = text.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(&text[after_name..]).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(1);
    let ppid = fields.next()?.parse().ok()?;
    let flags: u32 = fields.nth(4)?.parse().ok()?;
    Some(Stat { ppid, kernel_thread: flags & PF_KTHREAD != 0 })
}

/// The `flags:` line of a descriptor's `fdinfo`, octal. `None` for `O_PATH`, which reads nothing.
fn opened_for(fdinfo: &[u8]) -> Option<AccessMode> {
    const O_PATH: u32 = 0o10_000_000;
    let line = fdinfo.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"flags:"))?;
    let flags = u32::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 8).ok()?;
    match (flags & O_PATH, flags & 3) {
        (0, 0) => Some(AccessMode::Read),
        (0, 1) => Some(AccessMode::Write),
        (0, _) => Some(AccessMode::ReadWrite),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_process_and_its_open_secret_are_found() {
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(b"x").unwrap();
        let reader = File::open(secret.path()).unwrap();
        let (device, inode) = file_behind(&secret.path().to_path_buf()).unwrap();
        assert_eq!(inode, fs::metadata(secret.path()).unwrap().ino());
        let scan = scan(Path::new("/proc"), &BTreeSet::from([device])).unwrap();
        let own = scan.processes.iter().find(|found| found.pid == std::process::id()).unwrap();
        assert_eq!(own.ppid, std::os::unix::process::parent_id());
        assert!(own.cgroup_path.as_ref().unwrap().starts_with('/'));
        let fd = u32::try_from(reader.as_raw_fd()).unwrap();
        let held = scan.held.iter().find(|held| held.pid == own.pid && held.fd == fd).unwrap();
        assert_eq!((held.device, held.inode, held.mode), (device, inode, AccessMode::Read));
    }

    #[test]
    fn without_devices_no_descriptor_is_looked_at() {
        assert!(scan(Path::new("/proc"), &BTreeSet::new()).unwrap().held.is_empty());
    }

    #[test]
    fn the_version_two_line_is_taken_also_of_a_removed_cgroup() {
        let text = b"4:memory:/other\n0::/a/b (deleted)\n";
        assert_eq!(cgroup_v2_path(text).as_deref(), Some("/a/b"));
        assert_eq!(cgroup_v2_path(b"0::/\n").as_deref(), Some("/"));
        assert_eq!(cgroup_v2_path(b"4:memory:/other\n"), None);
    }

    #[test]
    fn a_process_may_have_any_name() {
        let text = b"7 (a) R 1 (b) S 42 7 7 0 -1 2097216 0";
        assert_eq!(parse_stat(text), Some(Stat { ppid: 42, kernel_thread: true }));
    }

    #[test]
    fn the_mode_comes_from_the_descriptors_flags() {
        assert_eq!(opened_for(b"pos:\t0\nflags:\t0100000\n"), Some(AccessMode::Read));
        assert_eq!(opened_for(b"flags:\t02\n"), Some(AccessMode::ReadWrite));
        assert_eq!(opened_for(b"flags:\t012000000\n"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_stat(&text);
            let _ = opened_for(&text);
            let _ = cgroup_v2_path(&text);
        }
    }
}
