//! Sockets of other families and types than TCP and UDP.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockaddrIn, connect, getsockopt, sockopt};

use crate::actor::given::senseless;
use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `connect-mptcp ADDRESS`
pub(super) fn mptcp(given: &Given<'_>, _: &mut Hands) -> Done {
    let address = ipv4(given)?;
    let socket = made(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP, "MPTCP")?;
    reach(&socket, address).doing(|| format!("connecting to {address} by MPTCP"))?;
    Ok(String::new())
}

/// `connect-sctp ADDRESS`: waits for an answer for a moment only, because the kernel tries for minutes.
pub(super) fn sctp(given: &Given<'_>, _: &mut Hands) -> Done {
    let address = ipv4(given)?;
    let doing = || format!("connecting to {address} by SCTP");
    let socket = made(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, libc::IPPROTO_SCTP, "SCTP")?;
    match reach(&socket, address) {
        Err(Errno::EINPROGRESS) => {}
        other => return other.doing(doing).map(|()| String::new()),
    }
    let mut answer = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut answer, PollTimeout::from(500_u16)).doing(doing)? == 0 {
        return Err(Refused { doing: doing(), errno: Errno::ETIMEDOUT });
    }
    match getsockopt(&socket, sockopt::SocketError).doing(doing)? {
        0 => Ok(String::new()),
        errno => Err(Refused { doing: doing(), errno: Errno::from_raw(errno) }),
    }
}

/// `send-raw ADDRESS`: a UDP packet of the sender's own making, over a raw IPv4 socket.
pub(super) fn raw(given: &Given<'_>, _: &mut Hands) -> Done {
    let address = ipv4(given)?;
    let socket = made(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_UDP, "raw")?;
    let to = sockaddr(SocketAddrV4::new(*address.ip(), 0));
    let packet = udp(address.port());
    // SAFETY: the packet and the address live until the call returns, and their lengths are theirs.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const to).cast(),
            size_of_val(&to) as u32,
        )
    };
    Errno::result(sent).doing(|| format!("sending raw to {address}"))?;
    Ok(String::new())
}

/// `send-packet ADDRESS`: an IPv4 packet of the sender's own making, straight to the loopback device.
pub(super) fn packet(given: &Given<'_>, _: &mut Hands) -> Done {
    const LOOPBACK: i32 = 1;
    let address = ipv4(given)?;
    let protocol = (libc::ETH_P_IP as u16).to_be();
    let socket = made(libc::AF_PACKET, libc::SOCK_DGRAM, i32::from(protocol), "packet")?;
    // SAFETY: all-zero bytes are a valid address of this type.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_protocol = protocol;
    to.sll_ifindex = LOOPBACK;
    to.sll_halen = 6;
    let packet = [ipv4_header(address), udp(address.port())].concat();
    // SAFETY: as above.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const to).cast(),
            size_of_val(&to) as u32,
        )
    };
    Errno::result(sent).doing(|| format!("sending a packet to {address}"))?;
    Ok(String::new())
}

/// `make-vsock`: a socket that leads to the host of a virtual machine.
pub(super) fn vsock(_: &Given<'_>, _: &mut Hands) -> Done {
    made(libc::AF_VSOCK, libc::SOCK_STREAM, 0, "vsock").map(|_| String::new())
}

fn reach(socket: &OwnedFd, address: SocketAddrV4) -> Result<(), Errno> {
    connect(socket.as_raw_fd(), &SockaddrIn::from(address))
}

pub(super) fn made(family: i32, kind: i32, protocol: i32, name: &str) -> Result<OwnedFd, Refused> {
    // SAFETY: the call takes numbers only.
    let made = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    let made = Errno::result(made).doing(|| format!("making a {name} socket"))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

pub(super) fn ipv4(given: &Given<'_>) -> Result<SocketAddrV4, Refused> {
    match given.parsed(0, "address")? {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(address) => Err(senseless(format!("`{address}` is not of IPv4"))),
    }
}

pub(super) fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// One byte by UDP; a checksum of 0 is none.
fn udp(port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    vec![0x40, 0, high, low, 0, 9, 0, 0, b'x']
}

/// Of a packet with nine bytes of UDP.
fn ipv4_header(to: SocketAddrV4) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0, 0];
    header.extend(Ipv4Addr::LOCALHOST.octets());
    header.extend(to.ip().octets());
    let words = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(folded as u16);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}
