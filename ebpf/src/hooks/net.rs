//! Outbound connections and unconnected sends.

use aya_ebpf::programs::SockAddrContext;
use cofferdam_abi::decide::{self, Actor};
use cofferdam_abi::event::{ConnectionEvent, kind, verdict};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::ConnectionKey;
use cofferdam_abi::process::ProcessState;

use super::repeat::{self, Occurrence, Repeatable};
use crate::emit::{count, is_active, send};
use crate::identity;
use crate::maps::{BULK, CONNECTIONS, PRIORITY};
use crate::rules::{self, Kernel, Ruled};

/// Address family of the hook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, mapped addresses included.
    V6,
}

impl Repeatable for ConnectionKey {
    fn aggregate(self) -> Self {
        Self { start: 0, exec: 0, tgid: 0, address: [0; 16], port: 0, ..self }
    }

    fn nameless(self) -> Self {
        self
    }
}

/// The caller connects, or sends without being connected; `true`: it is refused.
#[inline(always)]
pub fn connecting(ctx: &SockAddrContext, family: Family, hook: Hook) -> bool {
    match identity::current_known(hook) {
        // SAFETY: a pointer out of a map is valid until the program ends.
        Ok(process) => connected(ctx, family, hook, unsafe { &*process }),
        Err(process) => connected(ctx, family, hook, &process),
    }
}

#[inline(always)]
fn connected(ctx: &SockAddrContext, family: Family, hook: Hook, process: &ProcessState) -> bool {
    let mut key = ConnectionKey {
        start: process.start,
        exec: process.exec,
        workload: process.workload,
        address: address(ctx, family),
        tgid: process.tgid,
        port: port(ctx),
        family: if family == Family::V4 { 4 } else { 6 },
        protocol: protocol(ctx),
        unconnected: u8::from(hook == Hook::Send),
        verdict: verdict::ALLOWED,
        reserved: [0; 6],
    };
    let ruled = rule(&key, process);
    key.verdict = ruled.verdict();
    tell(&mut key, hook, process, ruled, identity::current_uid());
    ruled.is_denied()
}

/// Asks the rules of the workload.
#[inline(always)]
pub fn rule(key: &ConnectionKey, process: &ProcessState) -> Ruled {
    let generation = rules::generation_of(process.workload);
    if generation == 0 {
        return Ruled::FREE;
    }
    ruling(key, generation, process.flags)
}

/// A function of its own in the program too, for the sake of its callers' frames.
#[inline(never)]
pub fn ruling(key: &ConnectionKey, generation: u32, flags: u32) -> Ruled {
    let actor = Actor { flags, ..rules::stranger(generation) };
    Ruled::by(decide::egress(&Kernel, &actor, &full_address(key), key.protocol, key.port), generation, 0)
}

/// The address as IPv6: IPv4 as `::ffff:a.b.c.d`.
#[inline(always)]
fn full_address(key: &ConnectionKey) -> [u8; 16] {
    if key.family != 4 {
        return key.address;
    }
    let [a, b, c, d, ..] = key.address;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// Counts a connection, and sends it if it is the first of its kind.
#[inline(never)]
pub fn tell(key: &mut ConnectionKey, hook: Hook, process: &ProcessState, ruled: Ruled, uid: u32) {
    if !is_active() {
        return;
    }
    key.reserved = [0; 6];
    let (moment, uncounted) = match repeat::occurred(&CONNECTIONS, key, process, ruled, hook) {
        Occurrence::First(moment) => (moment, 0),
        Occurrence::Uncounted(moment) => (moment, 1),
        Occurrence::Counted => return,
    };
    // What was refused must not be crowded out by what was not.
    let ring = if ruled.verdict() == verdict::ALLOWED { &BULK } else { &PRIORITY };
    let sent = send::<ConnectionEvent>(ring, hook, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind::CONNECTION, hook));
            (&raw mut (*event).process).write(*process);
            (&raw mut (*event).process.uid).write(uid);
            (&raw mut (*event).connection).write(*key);
            (&raw mut (*event).generation).write(ruled.generation());
            (&raw mut (*event).rule).write(ruled.rule());
            (&raw mut (*event).uncounted).write(uncounted);
        }
    });
    if !sent && (uncounted == 1 || !repeat::defer(&CONNECTIONS, key)) {
        count(hook, Reason::RingFull, process.workload);
    }
}

#[inline(always)]
fn address(ctx: &SockAddrContext, family: Family) -> [u8; 16] {
    let mut bytes = [0u8; 16];
    // SAFETY: the context is valid for the program's run; the verifier checks each 4-byte load of it.
    unsafe {
        match family {
            Family::V4 => {
                let word = core::ptr::read_volatile(&raw const (*ctx.sock_addr).user_ip4);
                bytes[..4].copy_from_slice(&word.to_ne_bytes());
            }
            Family::V6 => {
                let words = &raw const (*ctx.sock_addr).user_ip6;
                let words = words.cast::<u32>();
                bytes[..4].copy_from_slice(&core::ptr::read_volatile(words).to_ne_bytes());
                bytes[4..8].copy_from_slice(&core::ptr::read_volatile(words.add(1)).to_ne_bytes());
                bytes[8..12].copy_from_slice(&core::ptr::read_volatile(words.add(2)).to_ne_bytes());
                bytes[12..].copy_from_slice(&core::ptr::read_volatile(words.add(3)).to_ne_bytes());
            }
        }
    }
    bytes
}

#[inline(always)]
fn port(ctx: &SockAddrContext) -> u16 {
    // SAFETY: as above. The field holds the port in network order in its low half.
    u16::from_be(unsafe { core::ptr::read_volatile(&raw const (*ctx.sock_addr).user_port) } as u16)
}

/// `IPPROTO_MPTCP` (262) does not fit one byte: it is TCP to whoever asks.
#[inline(always)]
fn protocol(ctx: &SockAddrContext) -> u8 {
    const IPPROTO_MPTCP: u32 = 262;
    // SAFETY: as above.
    match unsafe { core::ptr::read_volatile(&raw const (*ctx.sock_addr).protocol) } {
        IPPROTO_MPTCP => 6,
        number => number as u8,
    }
}
