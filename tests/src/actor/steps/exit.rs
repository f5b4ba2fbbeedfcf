//! Ways out for what is held: connections that were opened before, and calls that move bytes without reading them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, getsockname, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::pipe;

use crate::actor::{Doing, Done, Given, Hands};

/// The most that is moved: more than any secret of a test has.
const MOST: usize = 4096;

/// `connect-held NAME ADDRESS`: TCP that is kept.
pub(super) fn connect(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, address) = (given.text(0, "name")?, given.parsed::<SocketAddr>(1, "address")?);
    let stream = TcpStream::connect(address).doing(|| format!("connecting to {address}"))?;
    hands.hold(name, OwnedFd::from(stream));
    Ok(String::new())
}

/// `connect-self NAME`: a TCP socket that connects to itself, which is kept; says its port.
pub(super) fn connect_self(given: &Given<'_>, hands: &mut Hands) -> Done {
    let doing = || "connecting to itself".to_owned();
    let own = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).doing(doing)?;
    bind(own.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).doing(doing)?;
    let at: SockaddrIn = getsockname(own.as_raw_fd()).doing(doing)?;
    nix::sys::socket::connect(own.as_raw_fd(), &at).doing(doing)?;
    hands.hold(given.text(0, "name")?, own);
    Ok(at.port().to_string())
}

/// `send-through NAME`: sends a byte over a connection to itself, and waits a second for it to arrive.
pub(super) fn send_through(given: &Given<'_>, hands: &mut Hands) -> Done {
    let doing = || "sending to itself".to_owned();
    let own = hands.held(given.text(0, "name")?)?;
    let patience = TimeVal::seconds(1);
    setsockopt(&own, sockopt::ReceiveTimeout, &patience).doing(doing)?;
    send(own.as_raw_fd(), &[7], MsgFlags::empty()).doing(doing)?;
    match recv(own.as_raw_fd(), &mut [0], MsgFlags::empty()) {
        Err(Errno::EAGAIN) => Err(Errno::ETIMEDOUT).doing(doing)?,
        other => drop(other.doing(doing)?),
    }
    Ok(String::new())
}

/// `connect-posing NAME ADDRESS`: TCP that is kept, from a port at which another address of loopback listens then.
pub(super) fn connect_posing(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, address) = (given.text(0, "name")?, given.parsed::<SocketAddr>(1, "address")?);
    let stream = TcpStream::connect(address).doing(|| format!("connecting to {address}"))?;
    let port = stream.local_addr().doing(|| "asking for the port".to_owned())?.port();
    let beside = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port));
    hands.hold("posing", OwnedFd::from(beside.doing(|| format!("listening at port {port}"))?));
    hands.hold(name, OwnedFd::from(stream));
    Ok(String::new())
}

/// `listen-tcp [ADDRESS]`: at a port of loopback or of this address, which it says; who connects is let in by the kernel alone.
pub(super) fn listen(given: &Given<'_>, hands: &mut Hands) -> Done {
    let at = given.optional(0).map_or(Ok(Ipv4Addr::LOCALHOST), |_| given.parsed(0, "address"))?;
    let doing = || format!("listening at {at}");
    let listener = TcpListener::bind((at, 0)).doing(doing)?;
    let address = listener.local_addr().doing(doing)?;
    hands.hold(&address.to_string(), OwnedFd::from(listener));
    Ok(address.to_string())
}

/// `accept-tcp NAME ADDRESS`: takes a connection to where `listen-tcp` listens, and keeps it.
pub(super) fn accept_tcp(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, at) = (given.text(0, "name")?, given.text(1, "address")?);
    let accepted = nix::sys::socket::accept4(hands.held(at)?.as_raw_fd(), SockFlag::SOCK_CLOEXEC);
    let accepted = accepted.doing(|| format!("waiting at {at}"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    hands.hold(name, unsafe { OwnedFd::from_raw_fd(accepted) });
    Ok(String::new())
}

/// `connect-unix NAME SOCKET`: a stream that is kept.
pub(super) fn connect_unix(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, at) = (given.text(0, "name")?, given.text(1, "socket")?);
    let stream = UnixStream::connect(at).doing(|| format!("connecting to {at}"))?;
    hands.hold(name, OwnedFd::from(stream));
    Ok(String::new())
}

/// `listen-datagrams NAME SOCKET`
pub(super) fn listen_datagrams(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, at) = (given.text(0, "name")?, given.text(1, "socket")?);
    hands.hold(name, UnixDatagram::bind(at).doing(|| format!("listening at {at}"))?.into());
    Ok(String::new())
}

/// `send-datagram SOCKET`
pub(super) fn send_datagram(given: &Given<'_>, _: &mut Hands) -> Done {
    let at = given.text(0, "socket")?;
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"x", at));
    sent.map(|_| String::new()).doing(|| format!("sending to {at}"))
}

/// `accept NAME SOCKET`: takes a connection to where `listen-fd` listens, and keeps it.
pub(super) fn accept(given: &Given<'_>, hands: &mut Hands) -> Done {
    let (name, at) = (given.text(0, "name")?, given.text(1, "socket")?);
    let (stream, _) = hands.listener(at)?.accept().doing(|| format!("waiting at {at}"))?;
    hands.hold(name, OwnedFd::from(stream));
    Ok(String::new())
}

/// `send-held NAME [oob]`: one byte, perhaps out of band.
pub(super) fn send_byte(given: &Given<'_>, hands: &mut Hands) -> Done {
    let name = given.text(0, "name")?;
    let flags = if given.optional(1) == Some("oob") { MsgFlags::MSG_OOB } else { MsgFlags::empty() };
    let socket = hands.held(name)?.as_raw_fd();
    send(socket, b"x", flags | MsgFlags::MSG_NOSIGNAL).doing(|| format!("sending over {name}"))?;
    Ok(String::new())
}

/// `sendfile FROM TO`
pub(super) fn sendfile(given: &Given<'_>, hands: &mut Hands) -> Done {
    moved(given, hands, "sendfile", |from, to| {
        let mut offset = 0;
        // SAFETY: both descriptors are open, and the offset lives until the call returns.
        Errno::result(unsafe { libc::sendfile(to, from, &raw mut offset, MOST) })
    })
}

/// `splice FROM TO`: through a pipe.
pub(super) fn splice(given: &Given<'_>, hands: &mut Hands) -> Done {
    moved(given, hands, "splice", |from, to| {
        let (read, write) = pipe()?;
        let mut offset = 0;
        let (read, write) = (read.as_raw_fd(), write.as_raw_fd());
        // SAFETY: all descriptors are open, and the offset lives until the call returns.
        let taken = unsafe { libc::splice(from, &raw mut offset, write, ptr::null_mut(), MOST, 0) };
        let taken = Errno::result(taken)?.unsigned_abs();
        // SAFETY: as above.
        Errno::result(unsafe { libc::splice(read, ptr::null_mut(), to, ptr::null_mut(), taken, 0) })
    })
}

/// `copy-range FROM TO`
pub(super) fn copy_range(given: &Given<'_>, hands: &mut Hands) -> Done {
    moved(given, hands, "copy_file_range", |from, to| {
        let mut offset = 0;
        // SAFETY: both descriptors are open, and the offset lives until the call returns.
        Errno::result(unsafe { libc::copy_file_range(from, &raw mut offset, to, ptr::null_mut(), MOST, 0) })
    })
}

/// `copy-held FROM TO`: reads and writes.
pub(super) fn copy(given: &Given<'_>, hands: &mut Hands) -> Done {
    moved(given, hands, "read and write", |from, to| {
        let mut some = [0u8; MOST];
        // SAFETY: the descriptor is open, and the buffer has as many bytes as is said.
        let read = Errno::result(unsafe { libc::read(from, some.as_mut_ptr().cast(), MOST) })?;
        // SAFETY: as above; the first `read` bytes were written by the call before.
        Errno::result(unsafe { libc::write(to, some.as_ptr().cast(), read.unsigned_abs()) })
    })
}

fn moved(
    given: &Given<'_>,
    hands: &Hands,
    by: &str,
    call: impl FnOnce(i32, i32) -> Result<isize, Errno>,
) -> Done {
    let (from, to) = (given.text(0, "source")?, given.text(1, "target")?);
    let count = call(hands.held(from)?.as_raw_fd(), hands.held(to)?.as_raw_fd());
    Ok(count.doing(|| format!("moving {from} to {to} by {by}"))?.to_string())
}

/// `fifo PATH`
pub(super) fn fifo(given: &Given<'_>, _: &mut Hands) -> Done {
    let path = given.text(0, "path")?;
    match nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o666)) {
        Err(Errno::EEXIST) => Ok(String::new()),
        made => made.map(|()| String::new()).doing(|| format!("making the pipe {path}")),
    }
}

/// `take NAME`: reads what there is from a descriptor, wherever it stands; says how many bytes.
pub(super) fn take(given: &Given<'_>, hands: &mut Hands) -> Done {
    let name = given.text(0, "name")?;
    let mut some = [0; MOST];
    let read = nix::unistd::read(hands.held(name)?, &mut some).map_err(io::Error::from);
    Ok(read.doing(|| format!("reading from {name}"))?.to_string())
}
