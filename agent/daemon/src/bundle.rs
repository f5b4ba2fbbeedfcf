//! A runtime on the command line (`runc run --bundle DIR ID`) writes down what it mounts only moments before the
//! container's first program runs. Its own exec comes tens of milliseconds earlier, and its bundle is there already.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// Programs that take `--bundle`.
const RUNTIMES: &[&str] = &["runc", "crun", "youki", "docker-runc"];
/// Bytes read of a command line.
const COMMAND_LINE_MAX: usize = 16 << 10;

/// Whether a path is that of a runtime. Anybody may name a program so: only root outside of containers is believed.
pub fn is_runtime(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| RUNTIMES.contains(&name))
}

/// What a runtime was told to start.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    /// The bundle.
    pub bundle: PathBuf,
    /// The container's id: the last argument.
    pub id: String,
}

/// The configuration of a bundle. A pipe in its place would make us wait for ever.
pub fn configuration(bundle: &Path) -> io::Result<File> {
    let path = bundle.join("config.json");
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// What a runtime was told to start. Its other arguments are not kept.
pub fn of_process(pid: u32) -> Option<Start> {
    let mut line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    line.truncate(COMMAND_LINE_MAX);
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let arguments: Vec<&[u8]> = line.split(|byte| *byte == 0).filter(|text| !text.is_empty()).collect();
    let id = String::from_utf8(arguments.last()?.to_vec()).ok()?;
    Some(Start { bundle: bundle(&arguments, &folder)?, id })
}

fn bundle(arguments: &[&[u8]], folder: &Path) -> Option<PathBuf> {
    if !arguments.iter().any(|argument| matches!(*argument, b"run" | b"create" | b"restore")) {
        return None;
    }
    let path = |bytes: &[u8]| folder.join(std::ffi::OsString::from_vec(bytes.to_vec()));
    for (index, argument) in arguments.iter().enumerate() {
        for option in [&b"--bundle"[..], b"-b"] {
            if *argument == option {
                return arguments.get(index + 1).map(|value| path(value));
            }
            if let Some(value) = argument.strip_prefix(option).and_then(|rest| rest.strip_prefix(b"=")) {
                return Some(path(value));
            }
        }
    }
    Some(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<PathBuf> {
        let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        bundle(&arguments, Path::new("/here"))
    }

    #[test]
    fn the_bundle_is_found_in_every_way_to_name_it() {
        assert_eq!(of("runc run c1"), Some("/here".into()));
        assert_eq!(of("runc --root /r run --bundle /b c1"), Some("/b".into()));
        assert_eq!(of("runc create -b sub c1"), Some("/here/sub".into()));
        assert_eq!(of("runc create --bundle=/b c1"), Some("/b".into()));
    }

    #[test]
    fn other_commands_start_nothing() {
        assert_eq!(of("runc list"), None);
        assert_eq!(of("runc init"), None);
        assert_eq!(of("runc run --bundle"), None);
    }

    #[test]
    fn a_runtime_is_known_by_its_name_alone() {
        assert!(is_runtime("/usr/sbin/runc"));
        assert!(!is_runtime("/usr/bin/truncate"));
    }
}
