//! Packets: the backstop for connections that were opened before a secret was read, and for paths that no socket hook
//! sees. The socket's cgroup tells whose they are; processes have no part in it.

use aya_ebpf::bindings::{
    BPF_NOEXIST, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_TCP_CONNECT_CB,
};
use aya_ebpf::helpers::generated::{
    bpf_get_socket_cookie, bpf_skb_ancestor_cgroup_id, bpf_skb_cgroup_id, bpf_skc_to_tcp_sock,
};
use aya_ebpf::programs::{SkBuffContext, SockOpsContext};
use cofferdam_abi::decide::{self, Tables};
use cofferdam_abi::event::verdict;
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::ConnectionKey;
use cofferdam_abi::map::control;
use cofferdam_abi::policy::row;
use cofferdam_abi::process::ProcessState;

use super::net;
use crate::emit::count;
use crate::identity;
use crate::kernel::Sock;
use crate::maps::{ACCEPTED, CONTROL};
use crate::rules::{self, Kernel, Ruled};

const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPPROTO_UDPLITE: u8 = 136;
const IPPROTO_SCTP: u8 = 132;
/// Byte of the TCP header that holds its flags, and two of them.
const TCP_FLAGS: usize = 13;
const SYN_ACK: u8 = 0x12;
/// `BPF_TCP_CLOSE`, include/uapi/linux/bpf.h.
const TCP_CLOSE: u32 = 7;
/// `BPF_TCP_LISTEN` and `BPF_TCP_NEW_SYN_RECV`, the same place.
const TCP_LISTEN: u32 = 10;
const TCP_NEW_SYN_RECV: u32 = 12;
/// `BPF_SOCK_OPS_STATE_CB_FLAG`.
const STATE_CB_FLAG: i32 = 1 << 2;

/// Whether anybody's packets are looked at: the one lookup that every packet pays.
#[inline(always)]
pub fn are_looked_at() -> bool {
    CONTROL.get(control::PACKETS).is_some_and(|looked_at| *looked_at != 0)
}

/// Cgroup, workload and generation of a packet's socket.
#[inline(always)]
fn owner(ctx: &SkBuffContext) -> (u64, u64, u32) {
    // SAFETY: the context is valid for the program's run.
    let cgroup = unsafe { bpf_skb_cgroup_id(ctx.skb.skb.cast()) };
    let workload = match identity::workload_of(cgroup) {
        0 => container_above(ctx),
        workload => workload,
    };
    (cgroup, workload, rules::generation_of(workload))
}

/// The container above a socket's cgroup that has no row of its own; 0: there is none.
#[inline(always)]
fn container_above(ctx: &SkBuffContext) -> u64 {
    for level in 1..=identity::LEVELS {
        // SAFETY: the context is valid for the program's run.
        let above = unsafe { bpf_skb_ancestor_cgroup_id(ctx.skb.skb.cast(), level as i32) };
        if above == 0 {
            return 0;
        }
        if let Some(workload) = identity::container_at(above) {
            return workload;
        }
    }
    0
}

/// A packet leaves a socket; `true`: it is dropped.
#[inline(always)]
pub fn leaving(ctx: &SkBuffContext) -> bool {
    if !are_looked_at() {
        return false;
    }
    let (cgroup, workload, generation) = owner(ctx);
    if generation == 0 {
        return false;
    }
    let Some(row) = Kernel.policy(generation) else { return false };
    let is_cut = Kernel.now() < row.cut_until;
    if row.flags & row::EGRESS == 0 && !is_cut {
        return false;
    }
    let Some(mut key) = parse(ctx) else {
        // Neither IPv4 nor IPv6 that can be read: nothing that has a destination.
        count(Hook::Packet, Reason::ReadFailed, workload);
        return true;
    };
    key.workload = workload;
    let ruled = net::ruling(&key, generation, 0);
    if ruled.verdict() == verdict::ALLOWED {
        return false;
    }
    if !is_cut && key.protocol == IPPROTO_TCP && !decide::isolates(row) && is_reply(ctx, &key) {
        return false;
    }
    key.verdict = ruled.verdict();
    tell(&mut key, cgroup, ruled);
    ruled.is_denied()
}

/// Tells of a packet of nobody in particular. A function of its own in the program too, for the sake of its frame.
#[inline(never)]
fn tell(key: &mut ConnectionKey, cgroup: u64, ruled: Ruled) {
    let unnamed = ProcessState { cgroup, workload: key.workload, ..ProcessState::default() };
    net::tell(key, Hook::Packet, &unnamed, ruled, 0);
}

/// A packet reaches a socket; `true`: it is dropped, because the workload is cut off.
#[inline(always)]
pub fn arriving(ctx: &SkBuffContext) -> bool {
    if !are_looked_at() {
        return false;
    }
    let (_, _, generation) = owner(ctx);
    generation != 0 && Kernel.policy(generation).is_some_and(|row| Kernel.now() < row.cut_until)
}

/// Whether a TCP segment belongs to a connection that somebody else opened.
#[inline(always)]
fn is_reply(ctx: &SkBuffContext, key: &ConnectionKey) -> bool {
    // The answer to whoever knocks; a raw socket can write the same flags, but does not listen.
    if key.reserved[0] & SYN_ACK == SYN_ACK && is_of_listener(ctx) {
        return true;
    }
    // SAFETY: the context is valid for the program's run.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.skb.skb.cast()) };
    // SAFETY: only the presence is asked for.
    unsafe { ACCEPTED.get(cookie) }.is_some()
}

/// Whether a packet is a listening socket's own. Connections that are not established yet are shown as their listener
/// (`sk_to_full_sk`, include/net/inet_sock.h).
#[inline(always)]
fn is_of_listener(ctx: &SkBuffContext) -> bool {
    // SAFETY: the context is valid for the program's run; the verifier sees to it that the socket is not null.
    unsafe {
        let socket = (*ctx.skb.skb).__bindgen_anon_2.sk;
        !socket.is_null()
            && matches!(core::ptr::read_volatile(&raw const (*socket).state), TCP_LISTEN | TCP_NEW_SYN_RECV)
    }
}

/// Destination of a packet; the TCP flags stand in `reserved[0]`. A function of its own in the program too, for the sake of
/// its frame.
#[inline(never)]
fn parse(ctx: &SkBuffContext) -> Option<ConnectionKey> {
    let mut key = ConnectionKey { verdict: verdict::ALLOWED, ..ConnectionKey::default() };
    let first: u8 = ctx.load(0).ok()?;
    let (transport, protocol) = match first >> 4 {
        4 => {
            key.family = 4;
            let address: [u8; 4] = ctx.load(16).ok()?;
            key.address[..4].copy_from_slice(&address);
            (usize::from(first & 0xf) * 4, ctx.load::<u8>(9).ok()?)
        }
        6 => {
            key.family = 6;
            key.address = ctx.load(24).ok()?;
            (40, ctx.load::<u8>(6).ok()?)
        }
        _ => return None,
    };
    key.protocol = protocol;
    if matches!(protocol, IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE | IPPROTO_SCTP) {
        let port: [u8; 2] = ctx.load(transport + 2).ok()?;
        key.port = u16::from_be_bytes(port);
    }
    if protocol == IPPROTO_TCP {
        key.reserved[0] = ctx.load(transport + TCP_FLAGS).ok()?;
    }
    Some(key)
}

/// Remembers the connections that others open to containers, and to any socket while anybody's packets are looked at.
#[inline(always)]
pub fn socket_event(ctx: &SockOpsContext) {
    match ctx.op() {
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB if opened_by_others(ctx) => {
            // SAFETY: the context is valid for the program's run.
            let cookie = unsafe { bpf_get_socket_cookie(ctx.ops.cast()) };
            if ACCEPTED.insert(cookie, 1, u64::from(BPF_NOEXIST)).is_err() {
                count(Hook::Packet, Reason::CountTableFull, 0);
            }
            let _ = ctx.set_cb_flags(STATE_CB_FLAG);
        }
        // Whatever it was: now it is a connection of its owner's.
        BPF_SOCK_OPS_TCP_CONNECT_CB => forget(ctx),
        BPF_SOCK_OPS_STATE_CB if ctx.arg(1) == TCP_CLOSE => forget(ctx),
        _ => {}
    }
}

#[inline(always)]
fn forget(ctx: &SockOpsContext) {
    // SAFETY: the context is valid for the program's run.
    let _ = ACCEPTED.remove(unsafe { bpf_get_socket_cookie(ctx.ops.cast()) });
}

/// Whether a connection that is established now was opened by the other side, and is to be remembered. The kernel also
/// calls so when both sides open at once (`tcp_rcv_state_process`, net/ipv4/tcp_input.c): then this one has sent a
/// segment already, which a listener's child has not.
#[inline(always)]
fn opened_by_others(ctx: &SockOpsContext) -> bool {
    // SAFETY: the context is valid for the program's run.
    let sent = unsafe { core::ptr::read_volatile(&raw const (*ctx.ops).segs_out) };
    sent == 0 && (are_looked_at() || is_of_container(ctx))
}

/// Whether the socket is a container's: a policy that comes later cannot tell any more who has opened what.
#[inline(always)]
fn is_of_container(ctx: &SockOpsContext) -> bool {
    // SAFETY: the context is valid for the program's run; the helper takes any socket, and the verifier sees to it that
    // it is not null.
    let socket = unsafe {
        let socket = (*ctx.ops).__bindgen_anon_2.sk;
        if socket.is_null() {
            return false;
        }
        bpf_skc_to_tcp_sock(socket.cast())
    };
    // A tcp_sock begins with its sock.
    !socket.is_null()
        && identity::is_container(identity::workload_in(Sock::new(socket.cast_const().cast()).cgroup()))
}
