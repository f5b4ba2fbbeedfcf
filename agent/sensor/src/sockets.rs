//! Open sockets of a workload, found and destroyed by their cgroup: sock_diag(7), SOCK_DESTROY of
//! include/uapi/linux/sock_diag.h, whatever network namespace they live in.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of `struct inet_diag_sockid`.
const SOCKET_ID: usize = 48;
/// Where the cookie stands in it.
const COOKIE: usize = 40;
/// `TCP_LISTEN`, include/net/tcp_states.h.
const TCP_LISTEN: u8 = 10;
/// Bytes of `struct inet_diag_msg`.
const DIAG: usize = 72;
/// `INET_DIAG_CGROUP_ID`, include/uapi/linux/inet_diag.h.
const CGROUP_ID: u16 = 21;
const FAMILIES: [u8; 2] = [libc::AF_INET as u8, libc::AF_INET6 as u8];
const PROTOCOLS: [(u8, &str); 2] = [(libc::IPPROTO_TCP as u8, "TCP"), (libc::IPPROTO_UDP as u8, "UDP")];

/// A socket as sock_diag names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    family: u8,
    protocol: u8,
    state: u8,
    id: [u8; SOCKET_ID],
    cgroup: u64,
}

/// What became of a workload's sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Sockets that are gone.
    pub sockets: u64,
    /// Why others are not.
    pub failures: Vec<String>,
}

/// Destroys the TCP and UDP sockets of these cgroups in a network namespace (`/proc/<pid>/ns/net`).
///
/// # Errors
/// If the namespace cannot be entered or asked.
pub fn destroy(namespace: &Path, is_meant: impl Fn(u64) -> bool + Send) -> io::Result<Destroyed> {
    within(namespace, move || destroy_here(&is_meant))
}

/// Cookies of the established TCP connections of these cgroups that others have opened, as far as that can be told
/// afterwards: a socket of the same namespace listens on their port.
///
/// # Errors
/// If the namespace cannot be entered or asked.
pub fn accepted(namespace: &Path, is_meant: impl Fn(u64) -> bool + Send) -> io::Result<Vec<u64>> {
    within(namespace, move || {
        let netlink = open()?;
        let mut found = Vec::new();
        for family in FAMILIES {
            found.extend(list(netlink.as_raw_fd(), family, libc::IPPROTO_TCP as u8)?);
        }
        Ok(opened_by_others(&found, is_meant))
    })
}

/// A socket of the IPv6 family may accept for IPv4: ports are compared alone.
fn opened_by_others(found: &[Found], is_meant: impl Fn(u64) -> bool) -> Vec<u64> {
    let listened: BTreeSet<u16> = found.iter().filter(|it| it.state == TCP_LISTEN).map(Found::port).collect();
    let is_theirs =
        |it: &&Found| it.state != TCP_LISTEN && listened.contains(&it.port()) && is_meant(it.cgroup);
    found.iter().filter(is_theirs).map(Found::cookie).collect()
}

impl Found {
    /// Its own port.
    fn port(&self) -> u16 {
        u16::from_be_bytes([self.id[0], self.id[1]])
    }

    /// `bpf_get_socket_cookie` gives the same (`sock_diag_save_cookie`, net/core/sock_diag.c: low half first).
    fn cookie(&self) -> u64 {
        let half = |at: usize| {
            let bytes = [self.id[at], self.id[at + 1], self.id[at + 2], self.id[at + 3]];
            u64::from(u32::from_ne_bytes(bytes))
        };
        half(COOKIE) | half(COOKIE + 4) << 32
    }
}

/// Asks in a network namespace.
fn within<T: Send>(namespace: &Path, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let namespace = File::open(namespace)?;
    // A thread of its own: a namespace is a thread's, and this one's ends with it.
    thread::scope(|scope| {
        let asked = scope.spawn(move || {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
            work()
        });
        asked.join().map_err(|_| io::Error::other("the thread that asks for sockets panicked"))?
    })
}

fn open() -> io::Result<OwnedFd> {
    let kind = (SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag);
    Ok(socket(AddressFamily::Netlink, kind.0, kind.1, kind.2)?)
}

fn destroy_here(is_meant: &impl Fn(u64) -> bool) -> io::Result<Destroyed> {
    let netlink = open()?;
    let mut done = Destroyed::default();
    for (protocol, name) in PROTOCOLS {
        for family in FAMILIES {
            match list(netlink.as_raw_fd(), family, protocol) {
                Ok(found) => destroy_all(netlink.as_raw_fd(), &found, name, is_meant, &mut done),
                // The others may be there: each protocol has a module of its own.
                Err(error) => done.failures.push(format!("{name} sockets cannot be listed: {}", why(&error))),
            }
        }
    }
    done.failures.dedup();
    Ok(done)
}

fn destroy_all(
    netlink: i32,
    found: &[Found],
    name: &str,
    is_meant: &impl Fn(u64) -> bool,
    done: &mut Destroyed,
) {
    for found in found.iter().filter(|it| is_meant(it.cgroup)) {
        match destroy_one(netlink, found) {
            Ok(()) => done.sockets += 1,
            // It has ended by itself.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => done.failures.push(format!("a {name} socket: {}", why(&error))),
        }
    }
}

/// Sockets of a protocol that sock_diag(7) has no module for are an unknown file to it.
fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT) => "this kernel has no module for it".to_owned(),
        Some(libc::EOPNOTSUPP) => "this kernel is built without INET_DIAG_DESTROY".to_owned(),
        _ => error.to_string(),
    }
}

fn request(kind: u16, flags: u16, family: u8, protocol: u8, id: &[u8; SOCKET_ID]) -> Vec<u8> {
    let length = (HEADER + 8 + SOCKET_ID) as u32;
    let mut bytes = Vec::with_capacity(length as usize);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, protocol, 0, 0]);
    // Every state.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(id);
    bytes
}

fn list(netlink: i32, family: u8, protocol: u8) -> io::Result<Vec<Found>> {
    let mut id = [0; SOCKET_ID];
    // INET_DIAG_NOCOOKIE: any.
    id[40..].fill(0xff);
    send(netlink, &request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family, protocol, &id), MsgFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = recv(netlink, &mut buffer, MsgFlags::empty())?;
        for message in messages(&buffer[..read]) {
            match message.kind {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => return Err(error_of(message.body)),
                _ => found.extend(parse(message.body, protocol)),
            }
        }
    }
}

fn destroy_one(netlink: i32, it: &Found) -> io::Result<()> {
    send(netlink, &request(SOCK_DESTROY, NLM_F_ACK, it.family, it.protocol, &it.id), MsgFlags::empty())?;
    let mut buffer = [0; 1024];
    let read = recv(netlink, &mut buffer, MsgFlags::empty())?;
    match messages(&buffer[..read]).next() {
        Some(Message { kind: NLMSG_ERROR, body }) => match error_of(body) {
            error if error.raw_os_error() == Some(0) => Ok(()),
            error => Err(error),
        },
        _ => Err(io::Error::other("the kernel did not answer as sock_diag(7) says")),
    }
}

struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

/// Netlink messages, one after the other; what is cut ends them.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, body })
    })
}

fn error_of(body: &[u8]) -> io::Error {
    let number =
        body.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(-libc::EBADMSG, i32::from_ne_bytes);
    io::Error::from_raw_os_error(number.saturating_neg())
}

/// One socket of a dump; without a cgroup it is nobody's.
fn parse(body: &[u8], protocol: u8) -> Option<Found> {
    let (family, state) = (*body.first()?, *body.get(1)?);
    let id = body.get(4..4 + SOCKET_ID)?.try_into().ok()?;
    let mut attributes = body.get(DIAG..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        let value = attributes.get(4..length)?;
        if kind == CGROUP_ID {
            let cgroup = u64::from_ne_bytes(value.try_into().ok()?);
            return Some(Found { family, protocol, state, id, cgroup });
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_socket_is_known_by_its_cgroup() {
        let mut body = vec![libc::AF_INET as u8];
        body.resize(DIAG, 7);
        body.extend([8, 0, 1, 0, 9, 9, 9, 9]);
        body.extend([12, 0, 21, 0]);
        body.extend(42_u64.to_ne_bytes());
        assert_eq!(parse(&body, 6).map(|found| found.cgroup), Some(42));
        assert_eq!(parse(&body[..DIAG + 8], 6), None);
    }

    #[test]
    fn a_connection_to_a_port_that_somebody_listens_on_was_opened_by_others() {
        let socket = |state: u8, port: u16, cookie: u8, cgroup: u64| {
            let mut id = [0; SOCKET_ID];
            id[..2].copy_from_slice(&port.to_be_bytes());
            id[COOKIE] = cookie;
            Found { family: 2, protocol: 6, state, id, cgroup }
        };
        let all = [
            socket(TCP_LISTEN, 80, 1, 5),
            socket(1, 80, 2, 5),
            socket(1, 40_000, 3, 5),
            socket(1, 80, 4, 6),
            socket(8, 80, 5, 5),
        ];
        assert_eq!(opened_by_others(&all, |cgroup| cgroup == 5), [2, 5]);
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error_and_an_acknowledgement_is_none() {
        assert_eq!(error_of(&(-libc::EPERM).to_ne_bytes()).raw_os_error(), Some(libc::EPERM));
        assert_eq!(error_of(&0_i32.to_ne_bytes()).raw_os_error(), Some(0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_without_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(messages(&bytes).take(1_000).count() < 1_000);
            let _ = (parse(&bytes, 6), error_of(&bytes));
        }
    }
}
