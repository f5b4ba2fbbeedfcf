//! Reaching out: TCP and UDP, connected and not. Only ever to where a test listens.

use std::io::IoSlice;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc::MSG_FASTOPEN;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrIn6, connect, sendmsg, socket,
};

use crate::actor::{Doing, Done, Given, Hands, Refused};

/// `connect-tcp ADDRESS [TIMES]`
pub(super) fn connect_tcp(given: &Given<'_>, _: &mut Hands) -> Done {
    let address: SocketAddr = given.parsed(0, "address")?;
    let times: u32 = given.optional(1).map_or(Ok(1), |_| given.parsed(1, "number"))?;
    for _ in 0..times {
        let socket = stream_socket(address)?;
        let descriptor = socket.as_raw_fd();
        let connected = match address {
            SocketAddr::V4(address) => connect(descriptor, &SockaddrIn::from(address)),
            SocketAddr::V6(address) => connect(descriptor, &SockaddrIn6::from(address)),
        };
        connected.doing(|| format!("connecting to {address}"))?;
    }
    Ok(String::new())
}

/// `connect-udp ADDRESS`: connects, then sends one byte.
pub(super) fn connect_udp(given: &Given<'_>, _: &mut Hands) -> Done {
    let address: SocketAddr = given.parsed(0, "address")?;
    let socket = datagram_socket(address)?;
    socket.connect(address).doing(|| format!("connecting to {address}"))?;
    socket.send(b"x").doing(|| format!("sending to {address}"))?;
    Ok(String::new())
}

/// `send-udp ADDRESS`: sends one byte without connecting.
pub(super) fn send_udp(given: &Given<'_>, _: &mut Hands) -> Done {
    let address: SocketAddr = given.parsed(0, "address")?;
    datagram_socket(address)?.send_to(b"x", address).doing(|| format!("sending to {address}"))?;
    Ok(String::new())
}

/// `fast-open ADDRESS`: TCP that connects inside a send.
pub(super) fn fast_open(given: &Given<'_>, _: &mut Hands) -> Done {
    let address: SocketAddr = given.parsed(0, "address")?;
    let socket = stream_socket(address)?;
    let (descriptor, byte) = (socket.as_raw_fd(), [IoSlice::new(b"x")]);
    let flags = MsgFlags::from_bits_retain(MSG_FASTOPEN);
    let sent = match address {
        SocketAddr::V4(address) => sendmsg(descriptor, &byte, &[], flags, Some(&SockaddrIn::from(address))),
        SocketAddr::V6(address) => sendmsg(descriptor, &byte, &[], flags, Some(&SockaddrIn6::from(address))),
    };
    sent.doing(|| format!("fast open to {address}"))?;
    Ok(String::new())
}

fn stream_socket(address: SocketAddr) -> Result<OwnedFd, Refused> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).doing(|| "making a socket".to_owned())
}

fn datagram_socket(address: SocketAddr) -> Result<UdpSocket, Refused> {
    let any: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    UdpSocket::bind(any).doing(|| "making a socket".to_owned())
}
