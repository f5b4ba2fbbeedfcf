//! Answers to the sensor about its own descriptors: what a file's kernel key is, and which processes were there
//! before. User space's numbers may differ from the kernel's (overlayfs, btrfs); these are the kernel's.

use cofferdam_abi::ABI_VERSION;
use cofferdam_abi::hook::Hook;
use cofferdam_abi::map::{Answer, control, query};
use cofferdam_abi::process::facts;

use crate::identity;
use crate::kernel::{File, Inode, Probed, Task};
use crate::maps::{ANSWER, CONTROL};

/// Answers into the one slot of [`ANSWER`]; the sensor asks one question at a time.
#[inline(always)]
pub fn answer(asked: u64, descriptor: u64) {
    let Some(out) = ANSWER.get_ptr_mut(0) else { return };
    if let Some(slot) = CONTROL.get_ptr_mut(control::VERSION) {
        // SAFETY: a pointer out of a map is valid until the program ends; only this program writes the slot.
        unsafe { slot.write(u64::from(ABI_VERSION)) };
    }
    // SAFETY: a pointer out of a map is valid until the program ends; nobody else writes the slot meanwhile.
    let out = unsafe { &mut *out };
    let file: Option<File<Probed>> = Task::current().descriptor(descriptor);
    let done = match file {
        Some(file) if asked == query::FILE => describe(file.inode(), out),
        Some(file) => adopt(file.inode(), asked == query::ADOPT_INIT, out).is_some(),
        None => false,
    };
    out.status = if done { query::OK } else { query::FAILED };
}

#[inline(always)]
fn describe(inode: Inode<Probed>, out: &mut Answer) -> bool {
    (out.file, out.facts) = inode.identify();
    out.magic = inode.superblock().magic();
    out.magic != 0
}

#[inline(always)]
fn adopt(inode: Inode<Probed>, is_init: bool, out: &mut Answer) -> Option<()> {
    if !inode.superblock().is_proc() {
        return None;
    }
    let task = Task::of_proc(inode)?;
    if is_init && let Some(slot) = CONTROL.get_ptr_mut(control::HOST_MOUNTS) {
        // SAFETY: a pointer out of a map is valid until the program ends; only this program writes the slot.
        unsafe { slot.write(task.mount_namespace()) };
    }
    let state = identity::known(task.tgid()).or_else(|| identity::adopt(task, Hook::Query))?;
    // SAFETY: as above.
    let mut state = unsafe { *state };
    // A recycled id whose exit was missed: the table must not keep the dead.
    if state.start != task.start() {
        let _ = crate::maps::PROCESSES.remove(task.tgid());
        // SAFETY: as above.
        state = unsafe { *identity::adopt(task, Hook::Query)? };
    }
    out.process = state;
    out.file = state.binary;
    out.facts = state.facts & !facts::SCRIPT;
    Some(())
}
