//! Packets, and the descriptors beside them, over a unix socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::protocol::PACKET;

/// A packet and, if one came beside it, a descriptor.
pub(crate) struct Packet {
    bytes: [u8; PACKET],
    length: usize,
    pub(crate) descriptor: Option<OwnedFd>,
}

impl Packet {
    /// What it says.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Sends one packet.
///
/// # Errors
/// If the other end is gone, or takes nothing.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let raw = descriptor.map(|descriptor| [descriptor.as_raw_fd()]);
    let beside = raw.as_ref().map(|raw| [ControlMessage::ScmRights(raw)]);
    let beside = beside.as_ref().map_or(&[][..], |beside| &beside[..]);
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], beside, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one packet; none when the other end is gone.
///
/// # Errors
/// If the socket fails, or has nothing and does not wait.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Packet>> {
    let mut packet = Packet { bytes: [0; PACKET], length: 0, descriptor: None };
    let mut space = cmsg_space!(RawFd);
    let mut buffer = [IoSliceMut::new(&mut packet.bytes)];
    let received =
        recvmsg::<()>(socket.as_raw_fd(), &mut buffer, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let length = received.bytes;
    let mut descriptor = None;
    if let Ok(messages) = received.cmsgs() {
        for message in messages {
            let ControlMessageOwned::ScmRights(raw) = message else { continue };
            for raw in raw {
                // SAFETY: the kernel has made this descriptor for us with this message, and it is wrapped once.
                descriptor = Some(unsafe { OwnedFd::from_raw_fd(raw) });
            }
        }
    }
    packet.length = length;
    packet.descriptor = descriptor;
    Ok((length > 0).then_some(packet))
}
