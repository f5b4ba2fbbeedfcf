//! Unix sockets: who listens in another workload is an exit like any other.

use cofferdam_abi::decide::{self, Actor, Tables};
use cofferdam_abi::event::{attempt, verdict};
use cofferdam_abi::hook::Hook;
use cofferdam_abi::policy::{address_of_socket, row};

use super::attempt::{Attempt, told};
use super::file::key_of;
use super::packet::are_looked_at;
use crate::identity;
use crate::kernel::{File, Sock, Typed, UnixSock};
use crate::rules::{self, Kernel, Ruled};

/// `MAY_WRITE`, include/linux/fs.h.
const MAY_WRITE: u64 = 2;

/// A stream is connected to a socket that listens, or a datagram goes to one; `true`: it is refused.
#[inline(always)]
pub fn reached(other: Sock) -> bool {
    are_looked_at() && other.as_unix().is_some_and(|other| leads_out(other, other.cgroup(), false))
}

/// Something is sent; `true`: it is refused. The connection may be older than what the workload has read since.
#[inline(always)]
pub fn sending(socket: *const u8) -> bool {
    if !are_looked_at() {
        return false;
    }
    let Some(own) = Sock::of(socket).as_unix() else { return false };
    // Datagrams are asked for one by one.
    if !own.is_stream() {
        return false;
    }
    let Some(other) = own.peer() else { return false };
    let is_reply = own.is_accepted();
    // Who connects, and who makes a pair, makes its sockets; what it is connected to is another one's.
    let whose = if is_reply || !other.is_bound() { other.cgroup() } else { own.cgroup_of_peer() };
    leads_out(other, whose, is_reply)
}

/// A file is written to, maybe a socket by `sendfile` or `splice`; `true`: it is refused.
#[inline(always)]
pub fn written(file: *const u8, mask: u64) -> bool {
    if mask & MAY_WRITE == 0 || !Sock::take_pages() {
        return false;
    }
    File::<Typed>::new(file).socket().is_some_and(sending)
}

/// Whether the rules refuse to send to this socket, which is of some cgroup.
#[inline(always)]
fn leads_out(other: UnixSock, whose: u64, is_reply: bool) -> bool {
    let Some(process) = identity::current(Hook::Socket) else {
        // The table has no room for it, which is counted: its workload's rules hold all the same.
        let (_, workload) = identity::unknown(Hook::Socket);
        return ruling(other, whose, is_reply, workload, 0).is_denied();
    };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let process = unsafe { &*process };
    let ruled = ruling(other, whose, is_reply, process.workload, process.flags);
    if ruled.verdict() != verdict::ALLOWED {
        let attempt = Attempt { path_at: other.path_at(), ..Attempt::of(attempt::UNIX) };
        told(Hook::Socket, &attempt, process, ruled);
    }
    ruled.is_denied()
}

/// Asks the rules. A function of its own in the program too: its frame must not add to that of an adoption.
#[inline(never)]
fn ruling(other: UnixSock, whose: u64, is_reply: bool, workload: u64, flags: u32) -> Ruled {
    let generation = rules::generation_of(workload);
    let Some(policy) = Kernel.policy(generation) else { return Ruled::FREE };
    let is_cut = Kernel.now() < policy.cut_until;
    if (policy.flags & row::EGRESS == 0 || (is_reply && !decide::isolates(policy))) && !is_cut {
        return Ruled::FREE;
    }
    if identity::workload_of(whose) == workload {
        return Ruled::FREE;
    }
    let actor = Actor { flags, ..rules::stranger(generation) };
    Ruled::by(decide::unix(&Kernel, &actor, &address(other)), generation, 0)
}

/// The address that policies know it by: the folder and the name, which stay when its owner makes it anew.
#[inline(always)]
fn address(other: UnixSock) -> [u8; 16] {
    match other.dentry() {
        Some(dentry) => address_of_socket(dentry.parent().inode().identify().0, key_of(dentry)),
        None => [0; 16],
    }
}
