//! Tracepoint tier: opens that the kernel holds back (fanotify) until the guard answers. The guard knows a descriptor
//! of the file and the opener's id; this program, run in the guard's context, decides with the same rules as every
//! other hook and tells of a refusal the same way. What it lets through is told when the opener's call returns.
//!
//! The guard asks one load of the programs at a time, which always speaks: an agent that takes over has been active for
//! a moment before it hands its own over.

use cofferdam_abi::event::{how, mode};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::map::{control, guard};
use cofferdam_abi::process::ProcessState;

use super::file::{Found, Touch, key_of, rule, secret_of, tell, tell_of_stranger};
use crate::emit::count;
use crate::identity::{self, Stranger};
use crate::kernel::{File, Probed, Task};
use crate::maps::CONTROL;

/// One of [`guard`]'s answers. `folder` is the guard's descriptor of the opener's /proc folder, if it has one.
#[inline(always)]
pub fn asked(descriptor: u64, tgid: u32, folder: u64) -> u32 {
    let file: Option<File<Probed>> = Task::current().descriptor(descriptor);
    // Nothing that we could speak of.
    let Some(file) = file else { return guard::DENY };
    let Some(found) = secret_asked(file) else { return guard::ALLOW };
    if is_ours(control::AGENT, tgid) || is_ours(control::GUARD, tgid) {
        return guard::ALLOW;
    }
    let mut touch = Touch::of(&found, Hook::Open, how::OPEN, mode::READ, true);
    if let Some(process) = identity::known(tgid) {
        return by_process(&mut touch, process);
    }
    let folder: Option<File<Probed>> = Task::current().descriptor(folder);
    let Some(folder) = folder.filter(|folder| folder.inode().superblock().is_proc()) else {
        return guard::WHO;
    };
    let Some(task) = Task::of_proc(folder.inode()) else { return guard::WHO };
    match identity::adopt(task, Hook::Open) {
        Some(process) => by_process(&mut touch, process),
        None => by_stranger(&mut touch, task),
    }
}

/// A function of its own in the program too, for the sake of the caller's frame.
#[inline(never)]
fn secret_asked(file: File<Probed>) -> Option<Found> {
    secret_of(file, Hook::Open)
}

#[inline(always)]
fn is_ours(slot: u32, tgid: u32) -> bool {
    CONTROL.get(slot).is_some_and(|ours| *ours != 0 && *ours == u64::from(tgid))
}

/// The opener waits, but its other threads do not: its row is theirs to change, and is only read here.
#[inline(always)]
fn by_process(touch: &mut Touch, process: *mut ProcessState) -> u32 {
    // SAFETY: a pointer out of a map is valid until the program ends.
    let process = unsafe { &*process };
    let key = key_of(touch.names_of);
    if !rule(touch, Some(process), process.workload, key) {
        return guard::ALLOW;
    }
    tell(touch, process, process.uid);
    guard::DENY
}

/// The process table is full: only its cgroup tells who it is.
#[inline(never)]
fn by_stranger(touch: &mut Touch, task: Task) -> u32 {
    let cgroup = task.cgroup().id();
    let workload = identity::workload_of(cgroup);
    count(touch.hook, Reason::UnknownProcess, workload);
    let key = key_of(touch.names_of);
    if !rule(touch, None, workload, key) {
        return guard::ALLOW;
    }
    tell_of_stranger(touch, &Stranger { tgid: task.tgid(), uid: task.uid(), cgroup, workload });
    guard::DENY
}
