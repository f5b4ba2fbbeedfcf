//! `struct sock`, `struct unix_sock`, `struct unix_address`.

use super::{Cgroup, Dentry, Probed, Read, Task, inside, offset, probe};

/// `AF_UNIX`, include/linux/socket.h.
const AF_UNIX: u16 = 1;

/// `SOCK_STREAM` and `SOCK_SEQPACKET`, include/linux/net.h.
const STREAM: u16 = 1;
const SEQUENCED: u16 = 5;

/// A socket as protocols see it.
#[derive(Clone, Copy)]
pub struct Sock(*const u8);

/// A unix socket.
#[derive(Clone, Copy)]
pub struct UnixSock(*const u8);

impl Sock {
    #[inline(always)]
    pub fn new(at: *const u8) -> Self {
        Self(at)
    }

    /// Of a `struct socket`.
    #[inline(always)]
    pub fn of(socket: *const u8) -> Self {
        // SAFETY: called with sockets only; the field is a pointer; cannot fault.
        Self(unsafe { Probed::read(socket, offset::SOCKET_SK) })
    }

    /// Whether what `sendfile` and `splice` send comes without `socket_sendmsg` (`sock_sendpage`, net/socket.c up to
    /// Linux 6.4).
    #[inline(always)]
    pub fn take_pages() -> bool {
        offset::PROTO_SENDPAGE.exists()
    }

    /// The cgroup v2 of whoever made it; of what is made for a connection, of who listens or connects.
    #[inline(always)]
    pub fn cgroup(self) -> Cgroup {
        Cgroup::new(probe(inside(self.0, offset::SOCK_CGROUP)))
    }

    #[inline(always)]
    pub fn as_unix(self) -> Option<UnixSock> {
        // SAFETY: `self` is a sock by construction; the field is a 2-byte integer; cannot fault.
        let family: u16 = unsafe { Probed::read(self.0, offset::SOCK_FAMILY) };
        (family == AF_UNIX).then_some(UnixSock(self.0))
    }
}

impl UnixSock {
    /// The cgroup v2 of whoever made it, by id. What is made for a connection is made by who connects.
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        Sock(self.0).cgroup().id()
    }

    /// The cgroup of the process that listened, or made the pair, when this one was connected; 0 if it has ended.
    #[inline(always)]
    pub fn cgroup_of_peer(self) -> u64 {
        // SAFETY: a unix_sock begins with its sock; the field is a pointer; cannot fault.
        let pid: *const u8 = unsafe { Probed::read(self.0, offset::SOCK_PEER_PID) };
        Task::of_pid(pid).map_or(0, |task| task.cgroup().id())
    }

    /// Whether it is connected once and for all, unlike one for datagrams.
    #[inline(always)]
    pub fn is_stream(self) -> bool {
        // SAFETY: as above; the field is a 2-byte integer.
        let kind: u16 = unsafe { Probed::read(self.0, offset::SOCK_TYPE) };
        kind == STREAM || kind == SEQUENCED
    }

    /// Whether it has an address.
    #[inline(always)]
    pub fn is_bound(self) -> bool {
        // SAFETY: as above; the field is a pointer.
        let address: *const u8 = unsafe { Probed::read(self.0, offset::UNIX_ADDRESS) };
        !address.is_null()
    }

    /// The one that it is connected to.
    #[inline(always)]
    pub fn peer(self) -> Option<Self> {
        // SAFETY: a unix_sock begins with its sock; the field is a pointer; cannot fault.
        let peer: *const u8 = unsafe { Probed::read(self.0, offset::UNIX_PEER) };
        (!peer.is_null()).then_some(Self(peer))
    }

    /// Its name in a folder, if it is bound to one; its connections have that of the socket that listens.
    #[inline(always)]
    pub fn dentry(self) -> Option<Dentry> {
        // SAFETY: as above.
        let dentry: *const u8 = unsafe { Probed::read(self.0, offset::UNIX_DENTRY) };
        (!dentry.is_null()).then(|| Dentry::new(dentry))
    }

    /// Whether it was made for a connection that somebody else opened: such share the address of the socket that
    /// listens (`unix_stream_connect`, net/unix/af_unix.c), which nobody can bind a second time.
    #[inline(always)]
    pub fn is_accepted(self) -> bool {
        // SAFETY: as above.
        let address: *const u8 = unsafe { Probed::read(self.0, offset::UNIX_ADDRESS) };
        !address.is_null() && probe::<i32>(inside(address, offset::UNIX_ADDRESS_USERS)) > 1
    }

    /// Address of the path that it was bound to, without the NUL that begins an abstract name; null if unnamed.
    #[inline(always)]
    pub fn path_at(self) -> *const u8 {
        // SAFETY: as above.
        let address: *const u8 = unsafe { Probed::read(self.0, offset::UNIX_ADDRESS) };
        if address.is_null() {
            return address;
        }
        // struct sockaddr_un: the family's two bytes come first.
        let path = inside(address, offset::UNIX_ADDRESS_NAME).wrapping_add(2);
        if probe::<u8>(path) == 0 { path.wrapping_add(1) } else { path }
    }
}
