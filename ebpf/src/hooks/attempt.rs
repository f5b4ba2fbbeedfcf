//! What is neither an access nor a connection, and was refused or would be: executions, and whatever is done to the
//! agent itself.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use cofferdam_abi::decide::Decision;
use cofferdam_abi::event::{AttemptEvent, PATH_LEN, attempt, kind, verdict};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::map::control;
use cofferdam_abi::policy::row;
use cofferdam_abi::process::{ProcessState, flags};

use super::repeat::{Budget, spend};
use crate::emit::{Moment, count, is_active, send_or_count};
use crate::identity::{self, Stranger};
use crate::maps::{CONTROL, POLICIES, PRIORITY};
use crate::rules::{self, Ruled};

/// What was attempted.
pub struct Attempt {
    /// One of [`cofferdam_abi::event::attempt`].
    pub what: u16,
    /// The file, where there is one.
    pub file: InodeKey,
    /// Bits of [`cofferdam_abi::process::facts`] about it.
    pub facts: u32,
    /// A signal, a command, a socket family.
    pub detail: u64,
    /// Address of the path that was named, or null.
    pub path_at: *const u8,
}

impl Attempt {
    /// Of this kind, without a file.
    #[inline(always)]
    pub fn of(what: u16) -> Self {
        Self { what, file: InodeKey::default(), facts: 0, detail: 0, path_at: core::ptr::null() }
    }
}

/// Tells an attempt that was decided on. Each is an event of its own, within the workload's budget.
#[inline(never)]
pub fn told(hook: Hook, attempt: &Attempt, process: &ProcessState, ruled: Ruled) {
    tell(hook, attempt, process.workload, ruled, |to| {
        // SAFETY: `to` is part of a reserved record.
        unsafe { to.write(*process) };
    });
}

/// The same of a process that the table has no room for.
#[inline(never)]
fn told_of_stranger(hook: Hook, attempt: &Attempt, who: &Stranger, ruled: Ruled) {
    // SAFETY: `to` is part of a reserved record.
    tell(hook, attempt, who.workload, ruled, |to| unsafe { who.write_to(to) });
}

#[inline(always)]
fn tell(hook: Hook, attempt: &Attempt, workload: u64, ruled: Ruled, who: impl FnOnce(*mut ProcessState)) {
    if !is_active() {
        return;
    }
    let moment = Moment::now();
    if !spend(workload, Budget::Firsts, moment) {
        count(hook, Reason::OverBudget, workload);
        return;
    }
    send_or_count::<AttemptEvent>(&PRIORITY, hook, workload, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once; the path is read by a
        // helper that validates the source and ends it by NUL within the given length.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind::ATTEMPT, hook));
            who(&raw mut (*event).process);
            (&raw mut (*event).file).write(attempt.file);
            (&raw mut (*event).facts).write(attempt.facts);
            (&raw mut (*event).what).write(attempt.what);
            (&raw mut (*event).verdict).write(ruled.verdict());
            (&raw mut (*event).reserved).write(0);
            (&raw mut (*event).generation).write(ruled.generation());
            (&raw mut (*event).rule).write(ruled.rule());
            (&raw mut (*event).detail).write(attempt.detail);
            let path = (&raw mut (*event).path).cast::<u8>();
            path.write(0);
            if !attempt.path_at.is_null() {
                bpf_probe_read_kernel_str(path.cast(), PATH_LEN as u32, attempt.path_at.cast());
            }
        }
    });
}

/// Whether a process is the agent or its guard.
#[inline(always)]
pub fn is_agent(tgid: u32) -> bool {
    let is = |slot| CONTROL.get(slot).is_some_and(|known| *known != 0 && *known == u64::from(tgid));
    is(control::AGENT) || is(control::GUARD)
}

/// Whether a cgroup is the agent's own, or above it. The root never is.
#[inline(always)]
pub fn holds_agent(cgroup: u64) -> bool {
    let mut slots = control::AGENT_CGROUPS..control::SLOTS;
    cgroup != 0 && slots.any(|slot| CONTROL.get(slot).is_some_and(|known| *known == cgroup))
}

/// Somebody does something to the agent: a contained workload is refused, whoever else may is told; `true`: refused.
#[inline(always)]
pub fn on_agent(what: u16, detail: u64) -> bool {
    by_anybody(what, detail, core::ptr::null(), true)
}

/// The same of a file that the host's manager writes to all the time, and is not told.
#[inline(always)]
pub fn on_file_of_agent(path_at: *const u8) -> bool {
    by_anybody(attempt::AGENT_FILE, 0, path_at, false)
}

/// Who it is, and what is told, are functions of their own in the program too: neither's frame adds to the other's.
#[inline(always)]
fn by_anybody(what: u16, detail: u64, path_at: *const u8, by_host_too: bool) -> bool {
    match who(hook_of(what)) {
        // SAFETY: a pointer out of a map is valid until the program ends.
        Some(process) => by_process(what, detail, path_at, by_host_too, unsafe { &*process }),
        None => by_stranger(what, detail, path_at, by_host_too),
    }
}

#[inline(never)]
fn who(hook: Hook) -> Option<*mut ProcessState> {
    identity::current(hook)
}

#[inline(always)]
fn hook_of(what: u16) -> Hook {
    if what == attempt::PTRACE { Hook::Ptrace } else { Hook::Protect }
}

#[inline(never)]
fn by_process(what: u16, detail: u64, path_at: *const u8, by_host_too: bool, process: &ProcessState) -> bool {
    let Some(ruled) = judged(process.tgid, process.flags, process.workload, by_host_too) else {
        return false;
    };
    told(hook_of(what), &Attempt { detail, path_at, ..Attempt::of(what) }, process, ruled);
    ruled.is_denied()
}

#[inline(never)]
fn by_stranger(what: u16, detail: u64, path_at: *const u8, by_host_too: bool) -> bool {
    let who = Stranger::current(hook_of(what));
    let Some(ruled) = judged(who.tgid, 0, who.workload, by_host_too) else { return false };
    told_of_stranger(hook_of(what), &Attempt { detail, path_at, ..Attempt::of(what) }, &who, ruled);
    ruled.is_denied()
}

/// `None`: there is nothing to refuse, or to tell.
#[inline(always)]
fn judged(tgid: u32, bits: u32, workload: u64, by_host_too: bool) -> Option<Ruled> {
    if is_agent(tgid) {
        return None;
    }
    if rules::are_in_charge() && is_contained(bits, workload) {
        return Some(Ruled::by(Decision(u64::from(verdict::DENIED)), 0, 0));
    }
    by_host_too.then_some(Ruled::FREE)
}

/// Whether a process is in a workload that may not touch the agent: in a container, once its runtime has handed over.
/// The container that the agent runs in may: what runs there is its keeper.
#[inline(always)]
fn is_contained(bits: u32, workload: u64) -> bool {
    if flags::is_runtime(bits) || holds_agent(workload) {
        return false;
    }
    let generation = rules::generation_of(workload);
    // SAFETY: without preallocation an element is not reused while a program can see it.
    let of_policy = unsafe { POLICIES.get(generation) }.is_some_and(|row| row.flags & row::CONTAINED != 0);
    of_policy || identity::is_container(workload)
}
