//! Environments and memory of processes: `/proc/<pid>/environ`, and ptrace-like access on tiers that see it.

use cofferdam_abi::decide;
use cofferdam_abi::event::{how, mode};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::{FilesystemKey, InodeKey};
use cofferdam_abi::process::{ProcessState, flags};

use super::attempt;
use super::file::{Touch, access, access_of_stranger, tell, tell_of_stranger};
use crate::emit::{count, is_active};
use crate::identity::{self, Stranger};
use crate::kernel::{Dentry, File, Inode, Read, Task};
use crate::rules::{self, Kernel, Ruled};
use crate::verifier;

/// `PTRACE_MODE_*`, include/linux/ptrace.h.
const PTRACE_MODE_ATTACH: u32 = 2;
const PTRACE_MODE_NOAUDIT: u32 = 4;

/// A file of some procfs mount is opened; `true`: it is refused. Which mount does not matter: the inode knows its
/// process.
#[inline(always)]
pub fn opened<R: Read>(file: File<R>, inode: Inode<R>, hook: Hook, can_deny: bool) -> bool {
    if !file.dentry().probed().name().starts_with(b"environ\0") {
        return can_deny && file.mode() & mode::WRITE != 0 && of_agent(inode) && on_file(file);
    }
    match Task::of_proc(inode) {
        Some(target) => reached(target, hook, how::ENVIRON, mode::READ, can_deny),
        // It has ended: its environment is empty.
        None => {
            count(hook, Reason::ReadFailed, 0);
            false
        }
    }
}

/// Whether a file of procfs is the agent's: what is written there makes it the first to be killed, say.
#[inline(always)]
fn of_agent<R: Read>(inode: Inode<R>) -> bool {
    Task::of_proc(inode).is_some_and(|target| attempt::is_agent(target.tgid()))
}

#[inline(always)]
fn on_file<R: Read>(file: File<R>) -> bool {
    attempt::on_file_of_agent(file.dentry().probed().name_at())
}

/// Access to another process's memory is asked for; `true`: it is refused. `PTRACE_MODE_READ` with NOAUDIT comes from
/// every `ps`.
#[inline(always)]
pub fn memory_asked(child: *const u8, asked: u32) -> bool {
    let attach = asked & PTRACE_MODE_ATTACH != 0;
    if !attach && asked & PTRACE_MODE_NOAUDIT != 0 {
        return false;
    }
    let target = Task::new(child);
    let tgid = target.tgid();
    if tgid == identity::current_tgid() {
        return false;
    }
    if attach && attempt::is_agent(tgid) {
        return attempt::on_agent(cofferdam_abi::event::attempt::PTRACE, 0);
    }
    reached(
        target,
        Hook::Ptrace,
        how::PTRACE,
        if attach { mode::READ | mode::ATTACH } else { mode::READ },
        true,
    )
}

/// The caller asks its parent to trace it, which nothing else asks for then; `true`: it is refused.
#[inline(always)]
pub fn trace_offered(parent: *const u8) -> bool {
    let parent = Task::new(parent);
    let mut touch = touching(Task::current(), Hook::Ptrace, how::PTRACE, mode::READ | mode::ATTACH, true);
    let tracer = identity::known(parent.tgid()).or_else(|| identity::adopt(parent, Hook::Ptrace));
    let denied = match tracer {
        // SAFETY: a pointer out of a map is valid until the program ends; the row is the tracer's to change.
        Some(tracer) => offered_to(&mut touch, unsafe { &*tracer }),
        None => offered_to_stranger(&mut touch, parent),
    };
    verifier::forget_which(denied)
}

#[inline(always)]
fn offered_to(touch: &mut Touch, tracer: &ProcessState) -> bool {
    let denied = rule(touch, Some(tracer), tracer.workload);
    if is_active() {
        tell(touch, tracer, tracer.uid);
    }
    denied
}

/// As for files: only its cgroup tells who it is.
#[inline(never)]
fn offered_to_stranger(touch: &mut Touch, tracer: Task) -> bool {
    let cgroup = tracer.cgroup().id();
    let workload = identity::workload_of(cgroup);
    count(touch.hook, Reason::UnknownProcess, workload);
    let denied = rule(touch, None, workload);
    if is_active() {
        tell_of_stranger(touch, &Stranger { tgid: tracer.tgid(), uid: tracer.uid(), cgroup, workload });
    }
    denied
}

/// The caller reaches for what belongs to `target`.
#[inline(always)]
fn reached(target: Task, hook: Hook, how: u16, mode: u8, can_deny: bool) -> bool {
    let mut touch = touching(target, hook, how, mode, can_deny);
    let Some(process) = identity::current(hook) else { return reached_by_stranger(&mut touch) };
    // SAFETY: as above.
    let process = unsafe { &mut *process };
    process.flags &= !flags::UNTOLD;
    let denied = rule(&mut touch, Some(process), process.workload);
    if !denied && mode & mode::ATTACH != 0 && identity::is_container(process.workload) {
        taken_over(target.tgid());
    }
    access(&touch, process);
    denied
}

/// A container's process has another one in its hands: if that sets a session up for the runtime, it is not free any
/// more.
#[inline(always)]
fn taken_over(target: u32) {
    if let Some(state) = identity::known(target) {
        // SAFETY: a pointer out of a map is valid until the program ends; the flag can only take rights away.
        unsafe { (*state).flags |= flags::TAKEN_OVER };
    }
}

/// What belongs to `target` is touched. The object is the target: its birth and its id.
#[inline(always)]
fn touching(target: Task, hook: Hook, how: u16, mode: u8, can_deny: bool) -> Touch {
    let tgid = target.tgid();
    let (workload, cgroup) = match identity::known(tgid) {
        // SAFETY: a pointer out of a map is valid until the program ends.
        Some(state) => unsafe { ((*state).workload, (*state).cgroup) },
        None => {
            let cgroup = target.cgroup().id();
            (identity::workload_of(cgroup), cgroup)
        }
    };
    let object =
        InodeKey { ino: target.start(), filesystem: FilesystemKey::default(), generation: tgid, reserved: 0 };
    Touch {
        object,
        secret: 0,
        target_workload: workload,
        target_cgroup: cgroup,
        names_of: Dentry::new(core::ptr::null()),
        hook,
        how,
        mode,
        can_deny,
        ruled: Ruled::FREE,
    }
}

/// As for files: only its cgroup tells who it is.
#[inline(never)]
fn reached_by_stranger(touch: &mut Touch) -> bool {
    let (cgroup, workload) = identity::unknown(touch.hook);
    let denied = rule(touch, None, workload);
    access_of_stranger(touch, cgroup, workload);
    denied
}

/// Asks the rules of both workloads.
#[inline(never)]
fn rule(touch: &mut Touch, process: Option<&ProcessState>, workload: u64) -> bool {
    let own = rules::generation_of(workload);
    if own == 0 && !identity::is_container(workload) {
        return false;
    }
    let theirs = rules::generation_of(touch.target_workload);
    let (actor, tgid) = match process {
        Some(process) => (rules::actor(process, own), process.tgid),
        None => (rules::stranger(own), identity::current_tgid()),
    };
    let decision = if touch.how == how::ENVIRON {
        decide::environment(&Kernel, &actor, theirs, touch.object.generation == tgid)
    } else if touch.mode & mode::ATTACH != 0 {
        decide::memory(&Kernel, &actor, theirs)
    } else {
        return false;
    };
    let ruled = Ruled::by(decision, own, theirs);
    touch.ruled = if touch.can_deny { ruled } else { ruled.seen() };
    verifier::forget_which(touch.can_deny && decision.is_denied())
}
