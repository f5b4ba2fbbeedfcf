//! Secrets as files: opened, received, mapped.

use cofferdam_abi::event::{AccessEvent, how, kind, verdict};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::{AccessKey, FilesystemKey, InodeKey};
use cofferdam_abi::map::{DEVICE_SLOTS as SLOT_COUNT, Device, TREE_DEPTH, device, file, filter_index};
use cofferdam_abi::process::{ProcessState, flags};

use super::repeat::{self, Occurrence, Repeatable};
use crate::emit::{count, is_active, send};
use crate::identity;
use crate::kernel::{Dentry, File, Inode, Read, Typed};
use crate::maps::{ACCESSES, DEVICE_SLOTS, DEVICES, FILES, FILTER, PRIORITY};

impl Repeatable for AccessKey {
    fn aggregate(self) -> Self {
        let of_processes = matches!(self.how, how::ENVIRON | how::PTRACE);
        let all = Self { start: 0, exec: 0, tgid: 0, ..self };
        if of_processes { all.nameless() } else { all }
    }

    fn nameless(self) -> Self {
        Self { object: InodeKey::default(), ..self }
    }
}

/// A hook's file argument was opened or received.
#[inline(always)]
pub fn reached_typed(file: *const u8, hook: Hook, how: u16) {
    reached(File::<Typed>::new(file), hook, how);
}

/// A mapping was asked for; anonymous ones have no file.
#[inline(always)]
pub fn mapped(file: *const u8) {
    if !file.is_null() {
        reached_typed(file, Hook::Mmap, how::MMAP);
    }
}

/// The miss path of every open on the node: one lookup.
#[inline(always)]
pub fn reached<R: Read>(file: File<R>, hook: Hook, how: u16) {
    let inode = file.inode();
    let superblock = inode.superblock();
    if superblock.is_proc() {
        super::environ::opened(file, inode, hook);
        return;
    }
    let number = superblock.device();
    let Some(slot) = DEVICE_SLOTS.get(slot_of(number)) else { return };
    if slot.flags == 0 {
        return;
    }
    let device = if slot.flags & device::ELSEWHERE != 0 {
        // SAFETY: without preallocation an element is not reused while a program can see it.
        match unsafe { DEVICES.get(number) } {
            Some(device) => *device,
            None => return,
        }
    } else {
        *slot
    };
    if device.flags & device::WHOLE == 0
        && !may_be_marked(number, inode)
        && !may_be_below_tree(device, file.dentry())
    {
        return;
    }
    if !inode.is_regular() || !is_active() {
        return;
    }
    let filesystem = FilesystemKey { device: number, generation: superblock.generation() };
    if filesystem.generation != device.generation {
        stale(number, device, filesystem, hook);
        return;
    }
    let key = inode.key(filesystem);
    let dentry = file.dentry().probed();
    if is_secret(device, &key, dentry) {
        touched(key, dentry, hook, how, file.mode());
    }
}

/// Whether a single file may be marked: the ordinary file beside it is told so by one bit.
#[inline(always)]
fn may_be_marked<R: Read>(number: u32, inode: Inode<R>) -> bool {
    let ino = inode.ino();
    FILTER.get(filter_index(number, ino)).is_some_and(|word| word >> (ino & 63) & 1 != 0)
}

/// Whether a file may lie below the root of a secret tree: a walk over its folders without any lookup.
#[inline(always)]
fn may_be_below_tree<R: Read>(device: Device, dentry: Dentry<R>) -> bool {
    if device.trees == 0 {
        return false;
    }
    let mut entry = dentry;
    for _ in 0..TREE_DEPTH {
        let parent = entry.parent();
        if parent.is(entry) {
            return false;
        }
        if device.trees >> (parent.inode().ino() & 63) & 1 != 0 {
            return true;
        }
        entry = parent;
    }
    false
}

/// Slot of a device: the minor of unnamed devices, 0 for all others.
#[inline(always)]
fn slot_of(number: u32) -> u32 {
    if number < SLOT_COUNT { number } else { 0 }
}

/// Whether a regular file of a watched device is a secret.
#[inline(always)]
fn is_secret(device: Device, key: &InodeKey, dentry: Dentry) -> bool {
    if device.flags & device::WHOLE != 0 {
        return device.flags & device::KUBELET == 0 || !is_public_name(dentry);
    }
    // SAFETY: without preallocation an element is not reused while a program can see it.
    if unsafe { FILES.get(key) }.is_some_and(|bits| bits & (file::SECRET | file::SELF_TEST) != 0) {
        return true;
    }
    device.flags & device::TREES != 0 && is_below_tree(key.filesystem, dentry)
}

/// The companions of a token that are no secrets. Only the kubelet can make files in its volumes.
#[inline(always)]
fn is_public_name(dentry: Dentry) -> bool {
    let name = dentry.name();
    name.starts_with(b"ca.crt\0") || name.starts_with(b"namespace\0")
}

/// Climbs from a file to the root of a secret tree.
#[inline(always)]
fn is_below_tree(filesystem: FilesystemKey, dentry: Dentry) -> bool {
    let mut entry = dentry;
    for _ in 0..TREE_DEPTH {
        let parent = entry.parent();
        if parent.is(entry) {
            return false;
        }
        // SAFETY: as above.
        if unsafe { FILES.get(parent.inode().key(filesystem)) }.is_some_and(|bits| bits & file::TREE != 0) {
            return true;
        }
        entry = parent;
    }
    false
}

/// Another file system has the device's number now: the entry is retired, and user space told.
#[inline(never)]
fn stale(number: u32, device: Device, found: FilesystemKey, hook: Hook) {
    count(hook, Reason::StaleFilesystem, 0);
    let entry = match slot_of(number) {
        0 => DEVICES.get_ptr_mut(number),
        slot => DEVICE_SLOTS.get_ptr_mut(slot),
    };
    if let Some(entry) = entry {
        // SAFETY: a pointer out of a map is valid until the program ends; an entry that user space has just
        // replaced carries another generation and is left alone.
        unsafe {
            if (*entry).generation == device.generation {
                (*entry).flags = 0;
            }
        }
    }
    let moment = crate::emit::Moment::now();
    crate::emit::send_or_count::<cofferdam_abi::event::FilesystemEvent>(&PRIORITY, hook, 0, |event| {
        // SAFETY: `event` is a reserved record of this type.
        unsafe {
            event.write(cofferdam_abi::event::FilesystemEvent {
                header: moment.header(kind::STALE_FILESYSTEM, hook),
                expected: FilesystemKey { device: number, generation: device.generation },
                found,
            });
        }
    });
}

/// A secret was touched by the caller.
#[inline(always)]
fn touched(object: InodeKey, dentry: Dentry, hook: Hook, how: u16, mode: u8) {
    let touch =
        Touch { object, target_workload: 0, target_cgroup: 0, names_of: Some(dentry), hook, how, mode };
    let Some(process) = identity::current(hook) else { return access_of_stranger(&touch) };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let process = unsafe { &mut *process };
    process.flags = process.flags & !flags::UNTOLD | flags::TAINTED;
    access(&touch, process);
}

/// What was touched, and how.
pub struct Touch {
    /// The object, as in [`AccessKey`].
    pub object: InodeKey,
    /// For environments and memory: the target's workload.
    pub target_workload: u64,
    /// For environments and memory: the target's cgroup.
    pub target_cgroup: u64,
    /// For files: what tells their names.
    pub names_of: Option<Dentry>,
    /// The hook.
    pub hook: Hook,
    /// One of [`how`].
    pub how: u16,
    /// Bits of [`cofferdam_abi::event::mode`].
    pub mode: u8,
}

/// An access of a process for which the table has no room: only its cgroup tells who it is.
#[inline(never)]
pub fn access_of_stranger(touch: &Touch) {
    access(touch, &identity::stranger(touch.hook));
}

/// Counts an access, and sends it if it is the first of its kind. A function of its own in the program too: its
/// frame must not add to that of an adoption.
#[inline(never)]
pub fn access(touch: &Touch, process: &ProcessState) {
    let hook = touch.hook;
    let mut key = AccessKey {
        start: process.start,
        exec: process.exec,
        object: touch.object,
        workload: process.workload,
        tgid: process.tgid,
        how: touch.how,
        mode: touch.mode,
        verdict: verdict::ALLOWED,
    };
    let (moment, uncounted) = match repeat::occurred(&ACCESSES, &mut key, process, hook) {
        Occurrence::First(moment) => (moment, 0),
        Occurrence::Uncounted(moment) => (moment, 1),
        Occurrence::Counted => return,
    };
    let sent = send::<AccessEvent>(&PRIORITY, hook, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once, `names` up to its length.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind::ACCESS, hook));
            (&raw mut (*event).process).write(*process);
            (&raw mut (*event).process.uid).write(identity::current_uid());
            (&raw mut (*event).object).write(touch.object);
            (&raw mut (*event).target_workload).write(touch.target_workload);
            (&raw mut (*event).target_cgroup).write(touch.target_cgroup);
            (&raw mut (*event).how).write(touch.how);
            (&raw mut (*event).mode).write(touch.mode);
            (&raw mut (*event).verdict).write(verdict::ALLOWED);
            (&raw mut (*event).uncounted).write(uncounted);
            (&raw mut (*event).generation).write(0);
            let used = match touch.names_of {
                Some(dentry) => dentry.names(&mut (*event).names),
                None => 0,
            };
            (&raw mut (*event).names_len).write(used);
        }
    });
    if !sent && (uncounted == 1 || !repeat::defer(&ACCESSES, &key)) {
        count(hook, Reason::RingFull, process.workload);
    }
}
