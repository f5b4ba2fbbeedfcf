//! Descriptors that are held, opened again, mapped, and handed on.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::sys::stat::Mode;

use super::open::{drained, flags};
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `hold NAME PATH [FLAG,FLAG…]`: opens and keeps it.
pub(super) fn hold(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, path, flags) = (given.text(0, "name")?, given.text(1, "path")?, flags(given.optional(2))?);
    let file = nix::fcntl::open(path, flags, Mode::empty()).doing(|| format!("opening {path}"))?;
    hands.hold(name, file);
    Ok(String::new())
}

/// `release NAME`
pub(super) fn release(given: &Given<'_>, hands: &mut Hands) -> Done {
    hands.release(given.text(0, "name")?).map(|()| String::new())
}

/// `reopen NAME [FLAG,FLAG…]`: through `/proc/self/fd`, without knowing a path.
pub(super) fn reopen(given: &Given<'_>, hands: &mut Hands) -> Done {
    let flags = flags(given.optional(1))?;
    let path = format!("/proc/self/fd/{}", hands.held(given.text(0, "name")?)?.as_raw_fd());
    let file = nix::fcntl::open(path.as_str(), flags, Mode::empty()).doing(|| format!("opening {path}"))?;
    drained(file, flags, &path)
}

/// `map-held NAME`
pub(super) fn map(given: &Given<'_>, hands: &mut Hands) -> Done {
    let name = given.text(0, "name")?;
    super::open::map(hands.held(name)?, name)
}

/// `read-held NAME`: reads from the start, without another open.
pub(super) fn read(given: &Given<'_>, hands: &mut Hands) -> Done {
    let name = given.text(0, "name")?;
    let mut content = [0; 4096];
    let read =
        nix::sys::uio::pread(hands.held(name)?, &mut content, 0).doing(|| format!("reading {name}"))?;
    Ok(read.to_string())
}

/// `number-held NAME`: by which number this process knows it.
pub(super) fn number(given: &Given<'_>, hands: &mut Hands) -> Done {
    Ok(hands.held(given.text(0, "name")?)?.as_raw_fd().to_string())
}

/// `bequeath NAME NUMBER`: under this number the programs that are executed from now on have it too.
pub(super) fn bequeath(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, number) = (given.text(0, "name")?, given.parsed::<i32>(1, "number")?);
    // SAFETY: the number is of nothing that anybody here owns: tests choose one beyond those in use.
    let copied = unsafe { nix::libc::dup2(hands.held(name)?.as_raw_fd(), number) };
    Errno::result(copied).doing(|| format!("bequeathing {name} as {number}"))?;
    Ok(String::new())
}

/// `inherit NAME NUMBER`: keeps what the program before has left open under this number.
pub(super) fn inherit(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, number) = (given.text(0, "name")?, given.parsed::<i32>(1, "number")?);
    // SAFETY: the call takes numbers only.
    let copied = unsafe { nix::libc::fcntl(number, nix::libc::F_DUPFD_CLOEXEC, 0) };
    let copied = Errno::result(copied).doing(|| format!("inheriting {number}"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    hands.hold(name, unsafe { OwnedFd::from_raw_fd(copied) });
    Ok(String::new())
}

/// `listen-fd SOCKET`: where a descriptor will be received.
pub(super) fn listen(given: &Given<'_>, hands: &mut Hands) -> Done {
    let at = given.text(0, "socket")?;
    hands.listen(at, UnixListener::bind(at).doing(|| format!("listening at {at}"))?);
    Ok(String::new())
}

/// `send-fd NAME SOCKET`: hands a held descriptor on, to who listens there or over a connection that is held.
pub(super) fn send(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, at) = (given.text(0, "name")?, given.text(1, "socket")?);
    let stream = match hands.held(at) {
        Ok(held) => UnixStream::from(held.try_clone_to_owned().doing(|| format!("taking up {at}"))?),
        Err(_) => UnixStream::connect(at).doing(|| format!("connecting to {at}"))?,
    };
    let descriptors = [hands.held(name)?.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&descriptors)];
    let byte = [IoSlice::new(b"x")];
    sendmsg::<()>(stream.as_raw_fd(), &byte, &message, MsgFlags::empty(), None)
        .doing(|| format!("sending {name} to {at}"))?;
    Ok(String::new())
}

/// `receive-fd SOCKET NAME`: takes one descriptor and keeps it, from who connects there or over a connection that is
/// held.
pub(super) fn receive(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (at, name) = (given.text(0, "socket")?, given.text(1, "name")?);
    let stream = match hands.held(at) {
        Ok(held) => UnixStream::from(held.try_clone_to_owned().doing(|| format!("taking up {at}"))?),
        Err(_) => hands.listener(at)?.accept().doing(|| format!("waiting at {at}"))?.0,
    };
    let descriptor = received(&stream).doing(|| format!("receiving at {at}"))?;
    // The kernel leaves a descriptor out that it does not let through.
    let Some(descriptor) = descriptor else {
        return Err(Refused {
            doing: format!("receiving a descriptor at {at}: none came"),
            errno: Errno::EPERM,
        });
    };
    hands.hold(name, descriptor);
    Ok(String::new())
}

fn received(stream: &UnixStream) -> Result<Option<OwnedFd>, Errno> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!([i32; 1]);
    let socket = stream.as_fd().as_raw_fd();
    let message = recvmsg::<()>(socket, &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    if message.flags.contains(MsgFlags::MSG_CTRUNC) {
        return Ok(None);
    }
    let descriptors = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let first = descriptors.and_then(|descriptors| descriptors.first().copied());
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(first.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }))
}
