//! Answers to the sensor about its own descriptors: what a file's kernel key is, and which processes were there
//! before. User space's numbers may differ from the kernel's (overlayfs, btrfs); these are the kernel's.

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
    // SAFETY: a pointer out of a map is valid until the program ends; nobody else writes the slot meanwhile.
    let out = unsafe { &mut *out };
    let file: Option<File<Probed>> = Task::current().descriptor(descriptor);
    let done = match file.and_then(|file| file.inode()) {
        Some(inode) if asked == query::FILE => describe(inode, out),
        Some(inode) => adopt(inode, asked == query::ADOPT_INIT, out),
        None => None,
    };
    out.status = if done.is_some() { query::OK } else { query::FAILED };
}

#[inline(always)]
fn describe(inode: Inode<Probed>, out: &mut Answer) -> Option<()> {
    let (key, bits) = inode.identify()?;
    out.file = key;
    out.facts = bits;
    out.magic = inode.superblock()?.magic();
    Some(())
}

#[inline(always)]
fn adopt(inode: Inode<Probed>, is_init: bool, out: &mut Answer) -> Option<()> {
    if !inode.superblock()?.is_proc() {
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
