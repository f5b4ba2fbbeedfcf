//! TCP segments of the sender's own making.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

use super::socket::{ipv4, made, sockaddr};
use crate::actor::{Doing, Done, Given, Hands};

const SYN_ACK: u8 = 0x12;

/// `send-syn-ack ADDRESS`: a segment that looks like the answer to somebody who connects, and carries 16 bytes; over a
/// raw IPv4 socket, headers included.
pub(super) fn syn_ack(given: &Given<'_>, _: &mut Hands) -> Done {
    let address = ipv4(given)?;
    // The kernel takes it that this protocol comes with its header.
    let socket = made(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW, "raw")?;
    let to = sockaddr(SocketAddrV4::new(*address.ip(), 0));
    let packet = [ip_header(*address.ip()), tcp(address.port())].concat();
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
    Errno::result(sent).doing(|| format!("sending SYN and ACK to {address}"))?;
    Ok(String::new())
}

/// Of a packet with 36 bytes of TCP; the kernel writes the checksum.
fn ip_header(to: Ipv4Addr) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 56, 0, 1, 0, 0, 64, libc::IPPROTO_TCP as u8, 0, 0];
    header.extend(Ipv4Addr::LOCALHOST.octets());
    header.extend(to.octets());
    header
}

/// From port 16384, 16 bytes; nobody has to accept it, so its checksum is none.
fn tcp(port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    let mut segment = vec![0x40, 0, high, low, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, SYN_ACK, 0x20, 0, 0, 0, 0, 0];
    segment.extend([b'x'; 16]);
    segment
}
