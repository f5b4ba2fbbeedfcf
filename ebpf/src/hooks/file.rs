//! Secrets as files: opened, received, mapped.

use aya_ebpf::bindings::BPF_NOEXIST;
use cofferdam_abi::decide;
use cofferdam_abi::event::{AccessEvent, how, kind, mode};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::{AccessKey, FilesystemKey, InodeKey};
use cofferdam_abi::map::{DEVICE_SLOTS as SLOT_COUNT, Device, TREE_DEPTH, device, file, filter_index};
use cofferdam_abi::policy::{BINDINGS, KEY_NAME_LEN, ReadKey, key_of_name};
use cofferdam_abi::process::{ProcessState, flags};

use super::repeat::{self, Budget, Occurrence, Repeatable, spend};
use crate::emit::{Moment, count, is_active, send};
use crate::identity::{self, Stranger};
use crate::kernel::{Dentry, File, Inode, Probed, Read, Special, Typed};
use crate::maps::{ACCESSES, DEVICE_SLOTS, DEVICES, FILES, FILTER, POLICIES, PRIORITY, READS};
use crate::rules::{self, Kernel, Ruled};
use crate::verifier;

/// `PROT_EXEC`, include/uapi/asm-generic/mman-common.h.
const PROT_EXEC: u64 = 4;

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

/// A hook's file argument was opened or received; `true`: it is refused.
#[inline(always)]
pub fn reached_typed(file: *const u8, hook: Hook, how: u16) -> bool {
    reached(File::<Typed>::new(file), hook, how, true)
}

/// A mapping is asked for; anonymous ones have no file.
#[inline(always)]
pub fn mapped(file: *const u8, protection: u64) -> bool {
    if file.is_null() {
        return false;
    }
    if protection & PROT_EXEC != 0 {
        let foreign = super::exec::code_mapped(file);
        if foreign != 0 {
            super::exec::foreign_code(file, foreign);
        }
    }
    reached_typed(file, Hook::Mmap, how::MMAP)
}

/// The miss path of every open on the node: one lookup. `true`: it is refused, which only a hook that `can_deny` asks.
#[inline(always)]
pub fn reached<R: Read>(file: File<R>, hook: Hook, how: u16, can_deny: bool) -> bool {
    let inode = file.inode();
    match inode.superblock().special() {
        Some(Special::Proc) => return super::environ::opened(file, inode, hook, can_deny),
        Some(Special::Cgroup) => {
            return can_deny && matches!(hook, Hook::Open) && super::protect::cgroup_opened(file);
        }
        None => {}
    }
    match secret_of(file, hook) {
        Some(found) => touched(&found, hook, how, file.mode(), can_deny),
        None => false,
    }
}

/// A secret as it was found.
pub struct Found {
    /// The object that policies know it by.
    pub secret: u64,
    /// The file's key.
    pub object: InodeKey,
    /// Its entry where it lies.
    pub entry: Dentry,
}

/// What an open file is, if it is a secret.
#[inline(always)]
pub fn secret_of<R: Read>(file: File<R>, hook: Hook) -> Option<Found> {
    if let Some(entry) = file.entry_below() {
        let (secret, object) = secret_below(file.inode().probed(), entry, hook)?;
        return Some(Found { secret, object, entry });
    }
    let (secret, object) = secret_at(file.inode(), file.dentry(), hook, false)?;
    Some(Found { secret, object, entry: file.dentry().probed() })
}

/// The same of a file that was opened through an overlay. A function of its own in the program too, for the sake of its
/// frame.
#[inline(never)]
fn secret_below(inode: Inode<Probed>, entry: Dentry, hook: Hook) -> Option<(u64, InodeKey)> {
    secret_at(inode, entry, hook, false)
}

/// The same of a directory entry; a folder is one if the secrets are below it, or it is the root of them.
#[inline(always)]
fn secret_at<R: Read>(
    inode: Inode<R>,
    dentry: Dentry<R>,
    hook: Hook,
    or_folder: bool,
) -> Option<(u64, InodeKey)> {
    let superblock = inode.superblock();
    let number = superblock.device();
    let slot = DEVICE_SLOTS.get(slot_of(number))?;
    if slot.flags == 0 {
        return None;
    }
    let device = if slot.flags & device::ELSEWHERE != 0 {
        // SAFETY: without preallocation an element is not reused while a program can see it.
        unsafe { DEVICES.get(number) }?
    } else {
        slot
    };
    let may_be_secret = device.flags & device::WHOLE != 0
        || may_be_marked(number, inode)
        || or_folder && may_be_tree(device, inode)
        || may_be_below_tree(device, dentry);
    let may_be_one = inode.is_regular() || or_folder && inode.is_folder();
    if !may_be_secret || !may_be_one {
        return None;
    }
    marked(device, inode.probed(), dentry.probed(), hook)
}

/// What a file is that may be a secret by all that is quickly asked. A function of its own in the program too, for the sake
/// of the hooks' frames.
#[inline(never)]
fn marked(device: &Device, inode: Inode<Probed>, dentry: Dentry, hook: Hook) -> Option<(u64, InodeKey)> {
    let superblock = inode.superblock();
    let number = superblock.device();
    let filesystem = FilesystemKey { device: number, generation: superblock.generation() };
    if filesystem.generation != device.generation {
        stale(number, device.generation, filesystem, hook);
        return None;
    }
    let key = inode.key(filesystem);
    match what_is(device, &key, dentry) {
        0 => None,
        object => Some((object, key)),
    }
}

/// A file or folder is renamed or linked; `true`: it is refused. Whoever may not open a secret may not take it to where
/// it is not known as one: out of its folder, or deeper than is looked. A function of its own in the program too, for the
/// sake of the hooks' frames.
#[inline(never)]
pub fn moved(entry: *const u8) -> bool {
    let entry = Dentry::<Probed>::new(entry);
    match secret_at(entry.inode(), entry, Hook::Open, true) {
        Some((secret, object)) => {
            touched(&Found { secret, object, entry }, Hook::Open, how::MOVE, mode::WRITE, true)
        }
        None => false,
    }
}

/// Whether a single file may be marked: the ordinary file beside it is told so by one bit.
#[inline(always)]
fn may_be_marked<R: Read>(number: u32, inode: Inode<R>) -> bool {
    let ino = inode.ino();
    FILTER.get(filter_index(number, ino)).is_some_and(|word| word >> (ino & 63) & 1 != 0)
}

/// Whether a folder may be the root of a secret tree.
#[inline(always)]
fn may_be_tree<R: Read>(device: &Device, inode: Inode<R>) -> bool {
    device.trees >> (inode.ino() & 63) & 1 != 0
}

/// Whether a file may lie below the root of a secret tree: a walk over its folders without any lookup.
#[inline(always)]
fn may_be_below_tree<R: Read>(device: &Device, dentry: Dentry<R>) -> bool {
    if device.trees == 0 {
        return false;
    }
    let mut entry = dentry;
    for _ in 0..TREE_DEPTH {
        let parent = entry.parent();
        if parent.is(entry) {
            return false;
        }
        if may_be_tree(device, parent.inode()) {
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

/// The object that a regular file of a watched device, or a folder, is; 0: it is no secret.
#[inline(always)]
fn what_is(device: &Device, key: &InodeKey, dentry: Dentry) -> u64 {
    if device.flags & device::WHOLE != 0 {
        let is_public = device.flags & device::KUBELET != 0 && is_public_name(dentry);
        return if is_public { 0 } else { device.object };
    }
    // SAFETY: without preallocation an element is not reused while a program can see it.
    if let Some(mark) = unsafe { FILES.get(key) }
        && mark.bits & (file::SECRET | file::SELF_TEST | file::TREE) != 0
    {
        return mark.object;
    }
    if device.flags & device::TREES == 0 {
        return 0;
    }
    tree_above(key.filesystem, dentry)
}

/// The companions of a token that are no secrets. Only the kubelet can make files in its volumes.
#[inline(always)]
fn is_public_name(dentry: Dentry) -> bool {
    let name = dentry.name();
    name.starts_with(b"ca.crt\0") || name.starts_with(b"namespace\0")
}

/// Climbs from a file to the root of a secret tree; 0: there is none.
#[inline(always)]
fn tree_above(filesystem: FilesystemKey, dentry: Dentry) -> u64 {
    let mut entry = dentry;
    for _ in 0..TREE_DEPTH {
        let parent = entry.parent();
        if parent.is(entry) {
            return 0;
        }
        // SAFETY: as above.
        if let Some(mark) = unsafe { FILES.get(parent.inode().key(filesystem)) }
            && mark.bits & file::TREE != 0
        {
            return mark.object;
        }
        entry = parent;
    }
    0
}

/// Another file system has the device's number now: the entry is retired, and user space told.
#[inline(never)]
fn stale(number: u32, expected: u32, found: FilesystemKey, hook: Hook) {
    if !is_active() {
        return;
    }
    count(hook, Reason::StaleFilesystem, 0);
    let entry = match slot_of(number) {
        0 => DEVICES.get_ptr_mut(number),
        slot => DEVICE_SLOTS.get_ptr_mut(slot),
    };
    if let Some(entry) = entry {
        // SAFETY: a pointer out of a map is valid until the program ends; an entry that user space has just
        // replaced carries another generation and is left alone.
        unsafe {
            if (*entry).generation == expected {
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
                expected: FilesystemKey { device: number, generation: expected },
                found,
            });
        }
    });
}

/// A secret is touched by the caller; `true`: it is refused.
#[inline(always)]
fn touched(found: &Found, hook: Hook, how: u16, mode: u8, can_deny: bool) -> bool {
    let mut touch = Touch::of(found, hook, how, mode, can_deny);
    let Some(process) = identity::current(hook) else { return touched_by_stranger(&mut touch) };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let process = unsafe { &mut *process };
    process.flags = process.flags & !flags::UNTOLD | flags::TAINTED;
    let key = key_of(found.entry);
    let denied = rule(&mut touch, Some(process), process.workload, key);
    access(&touch, process);
    denied
}

/// An access of a process for which the table has no room: only its cgroup tells who it is, and it is no reader.
#[inline(never)]
fn touched_by_stranger(touch: &mut Touch) -> bool {
    let (cgroup, workload) = identity::unknown(touch.hook);
    let key = key_of(touch.names_of);
    let denied = rule(touch, None, workload, key);
    access_of_stranger(touch, cgroup, workload);
    denied
}

/// Asks the rules of the workload, and binds it to the secret's destinations if it reads one.
#[inline(never)]
pub fn rule(touch: &mut Touch, process: Option<&ProcessState>, workload: u64, key: u64) -> bool {
    // What another version's programs refuse is not read.
    if !rules::are_in_charge() {
        return false;
    }
    let generation = rules::generation_of(workload);
    let actor = match process {
        Some(process) => rules::actor(process, generation),
        None => rules::stranger(generation),
    };
    let mut denied = false;
    if generation != 0
        && let Some(rule) = decide::rule_of_secret(&Kernel, generation, touch.secret, key)
    {
        let ruled = Ruled::by(decide::secret(&Kernel, &actor, rule), generation, 0);
        denied = touch.can_deny && ruled.is_denied();
        touch.ruled = if touch.can_deny { ruled } else { ruled.seen() };
    }
    if !denied && !flags::is_runtime(actor.flags) {
        remember(workload, touch.secret);
        // Only now: who makes another generation decide has either seen what was remembered, or is seen here.
        let assigned = rules::assigned(workload);
        bind(assigned.generation, touch.secret, key);
        bind(assigned.successor, touch.secret, key);
    }
    verifier::forget_which(denied)
}

/// The workload has read this secret: whatever policy comes later knows.
#[inline(always)]
fn remember(workload: u64, object: u64) {
    let key = ReadKey { workload, object };
    // SAFETY: only the presence is asked for.
    if unsafe { READS.get(key) }.is_none() && READS.insert(key, 1, u64::from(BPF_NOEXIST)).is_err() {
        // Another thread may have been first.
        // SAFETY: as above.
        if unsafe { READS.get(key) }.is_none() {
            count(Hook::Open, Reason::NotCounted, workload);
        }
    }
}

/// The key of a file's name. A function of its own in the program too, for the sake of its frame.
#[inline(never)]
pub fn key_of(dentry: Dentry) -> u64 {
    let mut name = [0u8; KEY_NAME_LEN];
    dentry.name_into(&mut name);
    key_of_name(&name)
}

/// From now on the workload's egress is limited to where this secret may travel, under one of its generations.
#[inline(never)]
fn bind(generation: u32, secret: u64, key: u64) {
    if generation == 0 {
        return;
    }
    let Some(rule) = decide::rule_of_secret(&Kernel, generation, secret, key) else { return };
    let Some(row) = POLICIES.get_ptr_mut(generation) else { return };
    #[cfg(feature = "next")]
    // SAFETY: a pointer out of a map is valid until the program ends.
    crate::emit::add(Some(unsafe { &raw mut (*row).reads }), 1);
    for index in rule.bind {
        let index = usize::from(index);
        if index < BINDINGS {
            // SAFETY: a pointer out of a map is valid until the program ends, and the index is within; every writer
            // writes the same byte.
            unsafe { (&raw mut (*row).bound).cast::<u8>().add(index).write(0xff) };
        }
    }
}

/// What was touched, and how.
pub struct Touch {
    /// The object, as in [`AccessKey`].
    pub object: InodeKey,
    /// For files: the object that policies know it by.
    pub secret: u64,
    /// For environments and memory: the target's workload.
    pub target_workload: u64,
    /// For environments and memory: the target's cgroup.
    pub target_cgroup: u64,
    /// For files: what tells their names; else null.
    pub names_of: Dentry,
    /// The hook.
    pub hook: Hook,
    /// One of [`how`].
    pub how: u16,
    /// Bits of [`cofferdam_abi::event::mode`].
    pub mode: u8,
    /// Whether the hook can refuse it.
    pub can_deny: bool,
    /// What was decided.
    pub ruled: Ruled,
}

impl Touch {
    /// Of a file.
    #[inline(always)]
    pub fn of(found: &Found, hook: Hook, how: u16, mode: u8, can_deny: bool) -> Self {
        Self {
            object: found.object,
            secret: found.secret,
            target_workload: 0,
            target_cgroup: 0,
            names_of: found.entry,
            hook,
            how,
            mode,
            can_deny,
            ruled: Ruled::FREE,
        }
    }
}

/// Tells of an access, if this load of the programs may speak.
#[inline(always)]
pub fn access(touch: &Touch, process: &ProcessState) {
    if is_active() {
        tell(touch, process, identity::current_uid());
    }
}

/// Counts an access, and sends it if it is the first of its kind. A function of its own in the program too: its
/// frame must not add to that of an adoption.
#[inline(never)]
pub fn tell(touch: &Touch, process: &ProcessState, uid: u32) {
    let hook = touch.hook;
    let mut key = AccessKey {
        start: process.start,
        exec: process.exec,
        object: touch.object,
        workload: process.workload,
        tgid: process.tgid,
        how: touch.how,
        mode: touch.mode,
        verdict: touch.ruled.verdict(),
    };
    let (moment, uncounted) = match repeat::occurred(&ACCESSES, &mut key, process, touch.ruled, hook) {
        Occurrence::First(moment) => (moment, 0),
        Occurrence::Uncounted(moment) => (moment, 1),
        Occurrence::Counted => return,
    };
    let sent = send::<AccessEvent>(&PRIORITY, hook, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once.
        unsafe {
            (&raw mut (*event).process).write(*process);
            (&raw mut (*event).process.uid).write(uid);
            fill(event, touch, moment, uncounted);
        }
    });
    if !sent && (uncounted == 1 || !repeat::defer(&ACCESSES, &key)) {
        count(hook, Reason::RingFull, process.workload);
    }
}

/// As [`access`], of a process that only its cgroup tells.
#[inline(always)]
pub fn access_of_stranger(touch: &Touch, cgroup: u64, workload: u64) {
    if is_active() {
        let who = Stranger { tgid: identity::current_tgid(), uid: identity::current_uid(), cgroup, workload };
        tell_of_stranger(touch, &who);
    }
}

/// Sends an access that no counter could name the process of: each is an event of its own, within the budget.
#[inline(never)]
pub fn tell_of_stranger(touch: &Touch, who: &Stranger) {
    let (hook, workload, moment) = (touch.hook, who.workload, Moment::now());
    if !spend(workload, Budget::Firsts, moment) {
        count(hook, Reason::OverBudget, workload);
        return;
    }
    crate::emit::send_or_count::<AccessEvent>(&PRIORITY, hook, workload, |event| {
        // SAFETY: `event` is a reserved record of this type.
        unsafe {
            who.write_to(&raw mut (*event).process);
            fill(event, touch, moment, 1);
        }
    });
}

/// Writes everything but the process.
///
/// # Safety
/// `event` must be a reserved record.
#[inline(always)]
unsafe fn fill(event: *mut AccessEvent, touch: &Touch, moment: Moment, uncounted: u16) {
    // SAFETY: the caller's; each field is written once, `names` up to its length.
    unsafe {
        (&raw mut (*event).header).write(moment.header(kind::ACCESS, touch.hook));
        (&raw mut (*event).object).write(touch.object);
        (&raw mut (*event).target_workload).write(touch.target_workload);
        (&raw mut (*event).target_cgroup).write(touch.target_cgroup);
        (&raw mut (*event).how).write(touch.how);
        (&raw mut (*event).mode).write(touch.mode);
        (&raw mut (*event).verdict).write(touch.ruled.verdict());
        (&raw mut (*event).uncounted).write(uncounted);
        (&raw mut (*event).generation).write(touch.ruled.generation());
        (&raw mut (*event).rule).write(touch.ruled.rule());
        let used = if touch.names_of.is_null() { 0 } else { touch.names_of.names(&mut (*event).names) };
        (&raw mut (*event).names_len).write(used);
    }
}
