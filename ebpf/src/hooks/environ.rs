//! Environments and memory of processes: `/proc/<pid>/environ`, and ptrace-like access on tiers that see it.

use cofferdam_abi::event::{how, mode};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::{FilesystemKey, InodeKey};
use cofferdam_abi::process::flags;

use super::file::{Touch, access, access_of_stranger};
use crate::emit::{count, is_active};
use crate::identity;
use crate::kernel::{File, Inode, Read, Task};

/// `PTRACE_MODE_*`, include/linux/ptrace.h.
const PTRACE_MODE_ATTACH: u32 = 2;
const PTRACE_MODE_NOAUDIT: u32 = 4;

/// A file of some procfs mount was opened. Which mount does not matter: the inode knows its process.
#[inline(always)]
pub fn opened<R: Read>(file: File<R>, inode: Inode<R>, hook: Hook) {
    if !file.dentry().probed().name().starts_with(b"environ\0") || !is_active() {
        return;
    }
    match Task::of_proc(inode) {
        Some(target) => reached(target, hook, how::ENVIRON, mode::READ),
        // It has ended: its environment is empty.
        None => count(hook, Reason::ReadFailed, 0),
    }
}

/// Access to another process's memory was asked for. `PTRACE_MODE_READ` with NOAUDIT comes from every `ps`.
#[inline(always)]
pub fn memory_asked(child: *const u8, asked: u32) {
    let attach = asked & PTRACE_MODE_ATTACH != 0;
    if !attach && asked & PTRACE_MODE_NOAUDIT != 0 {
        return;
    }
    let target = Task::new(child);
    if target.tgid() == identity::current_tgid() || !is_active() {
        return;
    }
    reached(target, Hook::Ptrace, how::PTRACE, if attach { mode::READ | mode::ATTACH } else { mode::READ });
}

/// The caller reached for what belongs to `target`. The object is the target: its birth and its id.
#[inline(always)]
fn reached(target: Task, hook: Hook, how: u16, mode: u8) {
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
    let touch =
        Touch { object, target_workload: workload, target_cgroup: cgroup, names_of: None, hook, how, mode };
    let Some(process) = identity::current(hook) else { return access_of_stranger(&touch) };
    // SAFETY: as above.
    let process = unsafe { &mut *process };
    process.flags &= !flags::UNTOLD;
    access(&touch, process);
}
