//! The guard's one loop: opens first, then agents.

use std::ffi::CStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, getsockopt, listen, socket,
    sockopt::PeerCredentials,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;

use crate::group::{Group, Opening};
use crate::harden::{Hardened, major_faults};
use crate::judge::{Outcome, judge};
use crate::program::Program;
use crate::protocol::{MARKS_A_PACKET, Reply, Request, State, VERSION};
use crate::wire::{Packet, receive, send};

/// Agents at a time: one takes over from another.
const AGENTS: usize = 4;

/// Why the guard cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No group.
    #[error(
        "cannot hold back opens (fanotify): {0}. It needs root with CAP_SYS_ADMIN and a kernel with CONFIG_FANOTIFY_ACCESS_PERMISSIONS"
    )]
    Group(io::Error),
    /// No socket.
    #[error("cannot {doing} the socket {}: {source}. Its folder must exist and be root's", path.display())]
    Socket {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The loop has ended by itself.
    #[error("cannot wait for opens: {0}")]
    Wait(io::Error),
}

/// The group, the rules, and the agents that are connected.
#[derive(Debug)]
pub struct Guard {
    group: Group,
    program: Option<Program>,
    listener: OwnedFd,
    path: PathBuf,
    /// Device and inode of the socket that is ours.
    identity: (u64, u64),
    agents: [Option<OwnedFd>; AGENTS],
    hardened: Hardened,
    counts: State,
    ended: bool,
}

impl Guard {
    /// Makes the group, and a socket in place of whatever socket lies there: a guard before keeps its connections.
    ///
    /// # Errors
    /// If the system refuses either.
    pub fn new(path: &Path, hardened: Hardened) -> Result<Self, ServeError> {
        let group = Group::new().map_err(ServeError::Group)?;
        let (listener, identity) = listener(path)?;
        Ok(Self {
            group,
            program: None,
            listener,
            path: path.to_owned(),
            identity,
            agents: [const { None }; AGENTS],
            hardened,
            counts: State::default(),
            ended: false,
        })
    }

    /// Answers until an agent ends it. Its socket goes with it, unless its successor's lies there by now.
    ///
    /// # Errors
    /// If the system lets it wait no more.
    pub fn run(&mut self) -> Result<(), ServeError> {
        while !self.ended {
            let ready = self.wait().map_err(ServeError::Wait)?;
            if ready.opens {
                self.answer();
            }
            if ready.newcomer {
                self.welcome();
            }
            for (index, _) in ready.agents.iter().enumerate().filter(|(_, ready)| **ready) {
                self.serve(index);
            }
        }
        if identity(&self.path).ok() == Some(self.identity) {
            let _ = fs::remove_file(&self.path);
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Ready> {
        let nobody = self.listener.as_fd();
        let of = |index: usize| self.agents.get(index).and_then(Option::as_ref).map(AsFd::as_fd);
        let asked = |socket: Option<BorrowedFd<'_>>| {
            if socket.is_some() { PollFlags::POLLIN } else { PollFlags::empty() }
        };
        let mut waiting: [PollFd<'_>; AGENTS + 2] = std::array::from_fn(|index| match index {
            0 => PollFd::new(self.group.as_fd(), PollFlags::POLLIN),
            1 => PollFd::new(nobody, PollFlags::POLLIN),
            _ => PollFd::new(of(index - 2).unwrap_or(nobody), asked(of(index - 2))),
        });
        match poll(&mut waiting, PollTimeout::NONE) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok(Ready::default()),
            Err(errno) => return Err(errno.into()),
        }
        let is_ready = |index: usize| waiting.get(index).is_some_and(|it| it.any().unwrap_or(true));
        Ok(Ready {
            opens: is_ready(0),
            newcomer: is_ready(1),
            agents: std::array::from_fn(|index| of(index).is_some() && is_ready(index + 2)),
        })
    }

    /// Answers every open that waits.
    fn answer(&mut self) {
        let (program, counts) = (&self.program, &mut self.counts);
        let read = self.group.answer(|opening| {
            let outcome = outcome(program.as_ref(), opening);
            match outcome {
                Outcome::Allowed => counts.allowed += 1,
                Outcome::Denied => counts.denied += 1,
                Outcome::Unclear => counts.unclear += 1,
            }
            outcome == Outcome::Allowed
        });
        if read.is_err() {
            // The kernel has refused the open that it could not hand over.
            counts.failed += 1;
        }
    }

    fn welcome(&mut self) {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let Ok(raw) = accept4(self.listener.as_raw_fd(), flags) else { return };
        // SAFETY: the kernel has made this descriptor for us, and it is wrapped once.
        let agent = unsafe { OwnedFd::from_raw_fd(raw) };
        let is_ours = getsockopt(&agent, PeerCredentials).is_ok_and(|peer| peer.uid() == geteuid().as_raw());
        let free = self.agents.iter_mut().find(|slot| slot.is_none());
        if let (true, Some(slot)) = (is_ours, free) {
            *slot = Some(agent);
        }
    }

    /// One request of one agent. One that cannot be answered is dropped: it must not keep us waiting.
    fn serve(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index).and_then(Option::take) else { return };
        let reply = match receive(agent.as_fd()) {
            Ok(Some(packet)) => self.reply(packet),
            Ok(None) => return,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.keep(index, agent),
            Err(_) => return,
        };
        if send(agent.as_fd(), &reply.to_bytes(), None).is_ok() {
            self.keep(index, agent);
        }
    }

    fn keep(&mut self, index: usize, agent: OwnedFd) {
        if let Some(slot) = self.agents.get_mut(index) {
            *slot = Some(agent);
        }
    }

    fn reply(&mut self, packet: Packet) -> Reply {
        let Some(request) = Request::from_bytes(packet.bytes()) else { return Reply::Refused(libc::EPROTO) };
        let done = match (request, packet.descriptor) {
            (Request::State, _) => return Reply::State(self.state()),
            (Request::Marks(from), _) => self.marks(from),
            (Request::Program, Some(program)) => Program::take(program).map(|program| {
                self.program = Some(program);
                Reply::Done
            }),
            // Nobody could say what the rules are: every open there would be refused.
            (Request::Mark(_), _) if self.program.is_none() => return Reply::Refused(libc::ENOEXEC),
            (Request::Mark(what), Some(place)) => self.group.mark(what, place.as_fd()).map(|()| Reply::Done),
            (Request::Unmark(what), Some(place)) => {
                self.group.unmark(what, place.as_fd()).map(|()| Reply::Done)
            }
            (Request::End, _) => {
                self.ended = true;
                Ok(Reply::Done)
            }
            (Request::Program | Request::Mark(_) | Request::Unmark(_), None) => {
                return Reply::Refused(libc::EBADF);
            }
        };
        done.unwrap_or_else(|error| Reply::Refused(error.raw_os_error().unwrap_or(libc::EIO)))
    }

    fn state(&self) -> State {
        State {
            version: VERSION,
            pid: std::process::id(),
            has_program: self.program.is_some(),
            locked: self.hardened.locked,
            oom_last: self.hardened.oom_last,
            major_faults: major_faults(),
            ..self.counts
        }
    }

    fn marks(&self, from: u32) -> io::Result<Reply> {
        let marks = self.group.marks()?;
        let total = u32::try_from(marks.len()).unwrap_or(u32::MAX);
        let page = marks.into_iter().skip(from as usize).take(MARKS_A_PACKET).collect();
        Ok(Reply::Marks { total, marks: page })
    }
}

/// What can be read now.
#[derive(Debug, Default)]
struct Ready {
    opens: bool,
    newcomer: bool,
    agents: [bool; AGENTS],
}

fn outcome(program: Option<&Program>, opening: &Opening) -> Outcome {
    match program {
        Some(program) => judge(program, opening.file.as_fd(), opening.tgid, folder),
        None => Outcome::Unclear,
    }
}

/// The /proc folder of a process, as a mere place: nobody sees an open, and nothing is read.
fn folder(tgid: u32) -> Option<OwnedFd> {
    let mut path = [0u8; 24];
    write!(&mut path[..], "/proc/{tgid}").ok()?;
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok()
}

/// Listens under another name first: there is no moment at which nobody answers, or anybody may connect.
fn listener(path: &Path) -> Result<(OwnedFd, (u64, u64)), ServeError> {
    let failed = |doing| move |source: io::Error| ServeError::Socket { doing, path: path.to_owned(), source };
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(new);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let make = || -> nix::Result<OwnedFd> {
        let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        fchmod(&listener, Mode::S_IRUSR | Mode::S_IWUSR)?;
        bind(listener.as_raw_fd(), &UnixAddr::new(&new)?)?;
        listen(&listener, Backlog::new(AGENTS as i32)?)?;
        Ok(listener)
    };
    let listener = make().map_err(|errno| failed("listen on")(errno.into()))?;
    // Some sandboxes ignore the mode that an unbound socket was given.
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).map_err(failed("restrict"))?;
    let identity = identity(&new).map_err(failed("look at"))?;
    fs::rename(&new, path).map_err(failed("name"))?;
    Ok((listener, identity))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}
