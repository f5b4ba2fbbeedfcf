//! What is neither an access nor a connection, and was refused or would be: executions, and whatever is done to the
//! agent itself.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use cofferdam_abi::decide::Decision;
use cofferdam_abi::event::{AttemptEvent, PATH_LEN, kind, verdict};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::map::control;
use cofferdam_abi::policy::row;
use cofferdam_abi::process::{ProcessState, flags};

use super::repeat::{Budget, spend};
use crate::emit::{Moment, count, is_active, send_or_count};
use crate::identity;
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
    /// Whether it is told of processes of the host as well, which may.
    pub by_host_too: bool,
}

impl Attempt {
    /// Of this kind, without a file.
    #[inline(always)]
    pub fn of(what: u16) -> Self {
        Self {
            what,
            file: InodeKey::default(),
            facts: 0,
            detail: 0,
            path_at: core::ptr::null(),
            by_host_too: true,
        }
    }
}

/// Tells an attempt that was decided on. Each is an event of its own, within the workload's budget.
#[inline(never)]
pub fn told(hook: Hook, attempt: &Attempt, process: &ProcessState, ruled: Ruled) {
    if !is_active() {
        return;
    }
    let moment = Moment::now();
    if !spend(process.workload, Budget::Firsts, moment) {
        count(hook, Reason::OverBudget, process.workload);
        return;
    }
    send_or_count::<AttemptEvent>(&PRIORITY, hook, process.workload, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once; the path is read by a
        // helper that validates the source and ends it by NUL within the given length.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind::ATTEMPT, hook));
            (&raw mut (*event).process).write(*process);
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
#[inline(never)]
pub fn on_agent(hook: Hook, attempt: &Attempt) -> bool {
    let Some(process) = identity::current(hook) else { return on_agent_by_stranger(hook, attempt) };
    // SAFETY: a pointer out of a map is valid until the program ends.
    judge(hook, attempt, unsafe { &*process })
}

/// A function of its own in the program too, for the sake of its frame.
#[inline(never)]
fn on_agent_by_stranger(hook: Hook, attempt: &Attempt) -> bool {
    judge(hook, attempt, &identity::stranger(hook))
}

#[inline(always)]
fn judge(hook: Hook, attempt: &Attempt, process: &ProcessState) -> bool {
    if is_agent(process.tgid) {
        return false;
    }
    let denied = rules::are_in_charge() && is_contained(process);
    if !denied && !attempt.by_host_too {
        return false;
    }
    let ruled = if denied { Ruled::by(Decision(u64::from(verdict::DENIED)), 0, 0) } else { Ruled::FREE };
    told(hook, attempt, process, ruled);
    denied
}

/// Whether a process is in a workload that may not touch the agent: in a container, once its runtime has handed over.
/// The container that the agent runs in may: what runs there is its keeper.
#[inline(always)]
fn is_contained(process: &ProcessState) -> bool {
    if flags::is_runtime(process.flags) || holds_agent(process.workload) {
        return false;
    }
    let generation = rules::generation_of(process.workload);
    // SAFETY: without preallocation an element is not reused while a program can see it.
    let of_policy = unsafe { POLICIES.get(generation) }.is_some_and(|row| row.flags & row::CONTAINED != 0);
    of_policy || identity::is_container(process.workload)
}
