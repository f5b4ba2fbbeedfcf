//! At start the hooks must report what the system says: a file of our own is made a secret and opened, and the
//! record compared. Wrong offsets would be silent otherwise.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cofferdam_model::InodeKey;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::decode::Event;
use crate::query::QueryError;
use crate::tables::{TableError, Watch};
use crate::{Sensor, abi};

/// How long the record may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// `PID_MAX_LIMIT`, include/linux/threads.h.
const PID_MAX: u32 = 4 << 20;

/// Why the self-test failed.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The test's own file could not be made.
    #[error("self-test: cannot make a file of our own: {0}")]
    File(#[from] std::io::Error),
    /// A table refused.
    #[error("self-test: {0}")]
    Table(#[from] TableError),
    /// The kernel did not identify the file.
    #[error("self-test: {0}")]
    Query(#[from] QueryError),
    /// What the hooks say is not what the system says.
    #[error(
        "self-test: {what} is {reported} by our hooks but {actual} by the system: this kernel's layout is not understood, nothing is enforced on it"
    )]
    Mismatch {
        /// What was compared.
        what: &'static str,
        /// By our hooks.
        reported: String,
        /// By the system.
        actual: String,
    },
    /// The open was not reported.
    #[error(
        "self-test: an open of our own secret was not reported within {0:?}: the hooks are attached but do not see"
    )]
    Silent(Duration),
}

/// Opens a secret of our own and compares.
pub(crate) fn run(sensor: &mut Sensor) -> Result<(), SelfTestError> {
    let mut memory =
        File::from(memfd_create("cofferdam-self-test", MFdFlags::MFD_CLOEXEC).map_err(std::io::Error::from)?);
    memory.write_all(b"not a secret")?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    let found = sensor.query.file(&path)?;
    compare("the inode number", found.key.ino, memory.metadata()?.ino())?;
    let pid = std::process::id();
    let own = sensor.query.adopt(pid)?;
    compare("our process id", own.tgid, pid)?;
    let parent = std::os::unix::process::parent_id();
    compare("our parent", after_the_end_of(own.ppid, parent, is_running), parent)?;
    compare("our user", own.uid, nix::unistd::getuid().as_raw())?;

    sensor.tables.mark_file(found.key, crate::tables::object_of(found.key))?;
    sensor.tables.watch(found.key.filesystem, Watch { files: true, ..Watch::default() })?;
    let outcome = open_and_wait(sensor, &path, found.key);
    sensor.tables.unwatch(found.key.filesystem)?;
    sensor.tables.unmark(found.key);
    outcome
}

/// Who is our parent if `started_by` has started us: a shell that ends, say, leaves us to `parent`, init or another
/// reaper, and the hooks go on knowing who it was.
fn after_the_end_of(started_by: u32, parent: u32, is_running: impl Fn(u32) -> bool) -> u32 {
    let is_a_process = (1..=PID_MAX).contains(&started_by);
    if is_a_process && !is_running(started_by) { parent } else { started_by }
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn open_and_wait(sensor: &mut Sensor, path: &PathBuf, key: InodeKey) -> Result<(), SelfTestError> {
    let _opened = File::open(path)?;
    let pid = std::process::id();
    let deadline = Instant::now() + PATIENCE;
    let mut events = Vec::new();
    while Instant::now() < deadline {
        sensor.rings.wait(Duration::from_millis(20))?;
        sensor.rings.drain(usize::MAX, &mut events);
        let mut access = None;
        for event in events.drain(..) {
            match event {
                Event::Access { process, object, how, .. } if process.tgid == pid => {
                    access = Some((process, object, how));
                }
                // Everybody else's, to be handled once the agent is ready.
                event => sensor.pending.push(event),
            }
        }
        if let Some((process, object, how)) = access {
            compare("the opened inode", crate::model_inode(object), key)?;
            compare("the way of access", how, abi::event::how::OPEN)?;
            return compare("the process", process.tgid, pid);
        }
    }
    Err(SelfTestError::Silent(PATIENCE))
}

fn compare<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    reported: T,
    actual: T,
) -> Result<(), SelfTestError> {
    if reported == actual {
        return Ok(());
    }
    Err(SelfTestError::Mismatch { what, reported: format!("{reported:?}"), actual: format!("{actual:?}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_parent_is_who_started_us_unless_he_has_ended() {
        assert_eq!(after_the_end_of(500, 500, |_| true), 500);
        assert_eq!(after_the_end_of(500, 1, |_| false), 1, "he has ended");
        assert_eq!(after_the_end_of(500, 1, |_| true), 500, "he runs, and yet the system names another one");
        for no_process in [0, u32::MAX] {
            assert_eq!(
                after_the_end_of(no_process, 1, |_| false),
                no_process,
                "what is read there is no process"
            );
        }
    }
}
