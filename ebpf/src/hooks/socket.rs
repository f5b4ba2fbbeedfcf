//! Sockets of families for which nobody could say where they lead: what cannot be decided on is not made.

use cofferdam_abi::decide::{self, Tables};
use cofferdam_abi::event::{attempt, verdict};
use cofferdam_abi::hook::Hook;
use cofferdam_abi::process::ProcessState;

use super::attempt::{Attempt, told};
use crate::identity;
use crate::rules::{self, Kernel, Ruled};

/// A socket is made; `true`: it is refused. The kernel's own are left alone.
#[inline(always)]
pub fn made(family: u32, of_kernel: bool) -> bool {
    if of_kernel {
        return false;
    }
    // Whose fork was missed is taken over here at the latest: the hooks of its connects cannot read a task.
    let process = identity::current(Hook::Socket);
    if decide::has_destinations(family) {
        return false;
    }
    match process {
        // SAFETY: a pointer out of a map is valid until the program ends.
        Some(process) => is_refused(family, unsafe { &*process }),
        None => is_refused(family, &identity::stranger(Hook::Socket)),
    }
}

/// Asks the rules.
#[inline(never)]
fn is_refused(family: u32, process: &ProcessState) -> bool {
    let generation = rules::generation_of(process.workload);
    let Some(row) = Kernel.policy(generation) else { return false };
    let decision = decide::undirected(&Kernel, &rules::actor(process, generation), row);
    let ruled = Ruled::by(decision, generation, 0);
    if ruled.verdict() != verdict::ALLOWED {
        let attempt = Attempt { detail: u64::from(family), ..Attempt::of(attempt::SOCKET) };
        told(Hook::Socket, &attempt, process, ruled);
    }
    ruled.is_denied()
}
