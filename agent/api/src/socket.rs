//! The agent's socket: who may connect to it, and that one agent only stands behind it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nix::sys::stat::{Mode, fchmod};

/// Where the agent listens unless it is told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/cofferdam/cofferdamd.sock";

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;

/// Why the agent cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another agent serves this socket.
    #[error("another agent serves {}: stop it, or give this one a --socket of its own", .0.display())]
    Taken(PathBuf),
    /// Something else lies where the socket should.
    #[error("{} exists and is no socket: remove it, or choose another --socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A socket that listens: mode 0600, one agent per path. Removed when dropped.
#[derive(Debug)]
pub struct Socket {
    pub(crate) listener: UnixListener,
    guard: Guard,
}

/// What must go when the socket goes.
#[derive(Debug)]
struct Guard {
    path: PathBuf,
    lock_path: PathBuf,
    /// Held as long as the agent lives; the kernel lets go of it when the agent dies.
    _lock: File,
    /// Device and inode of the socket file that is ours.
    ours: Option<(u64, u64)>,
}

impl Socket {
    /// Makes the socket, its folder too (0755). What an agent that died has left there is replaced; a living one is
    /// not disturbed.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)
                .map_err(failed("create the folder", parent))?;
        }
        let mut guard = lock(path)?;
        remove_stale(path)?;

        let listener = listen_privately(path)
            .map_err(|errno| failed("listen on the socket", path)(io::Error::from(errno)))?;
        // Some sandboxes ignore the mode that an unbound socket was given.
        fs::set_permissions(path, Permissions::from_mode(0o600))
            .map_err(failed("restrict the socket", path))?;
        guard.ours = Some(identity(path).map_err(failed("look at the socket", path))?);
        Ok(Self { listener, guard })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.guard.path
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.ours.is_some() && identity(&self.path).ok() == self.ours {
            // Nothing can be done about a failure, and the next start replaces the file.
            let _ = fs::remove_file(&self.path);
        }
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BindError {
    let path = path.to_owned();
    move |source| BindError::Io { doing, path, source }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Claims the path for this agent: two that start at once must not both find the other's socket stale.
fn lock(path: &Path) -> Result<Guard, BindError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed("open the lock file", &lock_path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BindError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &lock_path)(source)),
        }
        let held = file.metadata().map_err(failed("look at the lock file", &lock_path))?;
        // An agent that ended just now may have removed the file that we opened: then another could lock a new one.
        if identity(&lock_path).is_ok_and(|found| found == (held.dev(), held.ino())) {
            return Ok(Guard { path: path.to_owned(), lock_path, _lock: file, ours: None });
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(BindError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed("remove the stale socket", path))
        }
        Err(error) => Err(failed("find out who serves", path)(error)),
    }
}

/// Restricts the socket before it has a name, so that there is no moment at which another user could connect.
fn listen_privately(path: &Path) -> nix::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(UnixListener::from(socket))
}
