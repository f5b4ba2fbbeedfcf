//! The agent's side: finds or starts the guard, hands it the rules, says what to mark.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, open};
use nix::sys::socket::sockopt::{ReceiveTimeout, SendTimeout};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;

use crate::protocol::{Marked, Reply, Request, State, What};
use crate::wire::{receive, send};

/// How long a guard may take to start, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the guard cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no guard answers at {}: {source}", path.display())]
    Absent {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It could not be started.
    #[error("cannot start the guard {}: {reason}. It must lie beside the agent, and needs root", binary.display())]
    Start {
        /// The binary.
        binary: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is gone, or does not answer.
    #[error("the guard does not answer: {0}. Until another is started opens of secrets are seen, not denied")]
    Silent(io::Error),
    /// It does not say what we understand.
    #[error("the guard speaks another language: it is of another version, start one of ours")]
    Language,
    /// It could not do it.
    #[error("the guard cannot {what}: {source}")]
    Refused {
        /// What was asked.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

/// A connection to the guard.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    /// Where we have started it.
    child: Option<Child>,
}

impl Client {
    /// Finds the guard that is there.
    ///
    /// # Errors
    /// If there is none.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let connected = || -> nix::Result<OwnedFd> {
            let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
            let patience = TimeVal::new(PATIENCE.as_secs().cast_signed(), 0);
            setsockopt(&socket, ReceiveTimeout, &patience)?;
            setsockopt(&socket, SendTimeout, &patience)?;
            connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
            Ok(socket)
        };
        let absent = |errno: nix::Error| ClientError::Absent { path: path.to_owned(), source: errno.into() };
        Ok(Self { socket: connected().map_err(absent)?, child: None })
    }

    /// Starts a guard, which replaces one that listens there but lets that one's marks stand until it is ended.
    ///
    /// # Errors
    /// If it does not start, or not in time.
    pub fn start(binary: &Path, path: &Path) -> Result<Self, ClientError> {
        let failed = |reason: String| ClientError::Start { binary: binary.to_owned(), reason };
        let mut child = Command::new(binary)
            .arg("--socket")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(format!(
                    "it ended at once ({status}); it says why on its standard error"
                )));
            }
            // Another guard may listen there still.
            if let Ok(mut found) = Self::connect(path)
                && found.state().is_ok_and(|state| state.pid == child.id())
            {
                found.child = Some(child);
                return Ok(found);
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("it does not listen after {PATIENCE:?}")));
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// How it is.
    ///
    /// # Errors
    /// If it does not answer: it is gone.
    pub fn state(&mut self) -> Result<State, ClientError> {
        match self.ask(Request::State, None)? {
            Reply::State(state) => Ok(state),
            _ => Err(ClientError::Language),
        }
    }

    /// Hands it the rules: the sensor's program for the guard. An agent that has loaded its own must do so, too, else
    /// the guard's refusals are not told.
    ///
    /// # Errors
    /// If it takes no such program.
    pub fn hand_over(&mut self, program: impl AsFd) -> Result<(), ClientError> {
        self.tell(Request::Program, program.as_fd(), || "take the rules over".to_owned())
    }

    /// Has it hold back opens at a place; again is harmless. An `O_PATH` descriptor will do.
    ///
    /// # Errors
    /// If the kernel refuses the mark.
    pub fn mark(&mut self, what: What, place: impl AsFd) -> Result<(), ClientError> {
        self.tell(Request::Mark(what), place.as_fd(), || "mark that place".to_owned())
    }

    /// As [`Self::mark`], by a path of ours; of a link, the link itself.
    ///
    /// # Errors
    /// If it is not there, or the kernel refuses the mark.
    pub fn mark_path(&mut self, what: What, path: &Path) -> Result<(), ClientError> {
        let doing = || format!("mark {}", path.display());
        let place = place(path).map_err(|source| ClientError::Refused { what: doing(), source })?;
        self.tell(Request::Mark(what), place.as_fd(), doing)
    }

    /// Takes a mark away.
    ///
    /// # Errors
    /// If there is none.
    pub fn unmark(&mut self, what: What, place: impl AsFd) -> Result<(), ClientError> {
        self.tell(Request::Unmark(what), place.as_fd(), || "unmark that place".to_owned())
    }

    /// As [`Self::unmark`], by a path.
    ///
    /// # Errors
    /// If it is not there, or not marked.
    pub fn unmark_path(&mut self, what: What, path: &Path) -> Result<(), ClientError> {
        let doing = || format!("unmark {}", path.display());
        let place = place(path).map_err(|source| ClientError::Refused { what: doing(), source })?;
        self.tell(Request::Unmark(what), place.as_fd(), doing)
    }

    /// What is marked now. File systems that were unmounted are not in it any more.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn marks(&mut self) -> Result<Vec<Marked>, ClientError> {
        let mut found = Vec::new();
        loop {
            let from = u32::try_from(found.len()).unwrap_or(u32::MAX);
            match self.ask(Request::Marks(from), None)? {
                Reply::Marks { marks, .. } if marks.is_empty() => return Ok(found),
                Reply::Marks { total, marks } => {
                    found.extend(marks);
                    if found.len() >= total as usize {
                        return Ok(found);
                    }
                }
                Reply::Refused(errno) => return Err(refused("list its marks".to_owned(), errno)),
                _ => return Err(ClientError::Language),
            }
        }
    }

    /// Ends it: what it held back is let pass from now on.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn end(mut self) -> Result<(), ClientError> {
        self.ask(Request::End, None)?;
        // It closes the connection by ending, or ends by itself.
        let _ = receive(self.socket.as_fd());
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
        Ok(())
    }

    fn tell(
        &mut self,
        request: Request,
        descriptor: BorrowedFd<'_>,
        what: impl FnOnce() -> String,
    ) -> Result<(), ClientError> {
        match self.ask(request, Some(descriptor))? {
            Reply::Done => Ok(()),
            Reply::Refused(errno) => Err(refused(what(), errno)),
            _ => Err(ClientError::Language),
        }
    }

    fn ask(&mut self, request: Request, descriptor: Option<BorrowedFd<'_>>) -> Result<Reply, ClientError> {
        send(self.socket.as_fd(), &request.to_bytes(), descriptor).map_err(ClientError::Silent)?;
        let packet = receive(self.socket.as_fd())
            .map_err(ClientError::Silent)?
            .ok_or_else(|| ClientError::Silent(io::ErrorKind::UnexpectedEof.into()))?;
        Reply::from_bytes(packet.bytes()).ok_or(ClientError::Language)
    }
}

impl Drop for Client {
    /// The guard lives on; if it has died, it is buried.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.try_wait();
        }
    }
}

fn refused(what: String, errno: i32) -> ClientError {
    ClientError::Refused { what, source: io::Error::from_raw_os_error(errno) }
}

/// A mere place: nobody sees an open.
fn place(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(io::Error::from)
}
