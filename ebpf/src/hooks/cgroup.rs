//! Cgroups: born, entered, gone. A workload's identity is decided here, before anything can run in it.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use cofferdam_abi::count::WorkloadState;
use cofferdam_abi::event::{CgroupEvent, EntryEvent, PATH_LEN, kind};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::map::{CgroupEntry, NESTED_MAX, cgroup, control};
use cofferdam_abi::policy::{Assignment, assignment};
use cofferdam_abi::process::{ProcessState, flags};

use crate::emit::{Moment, count, follows, is_active, send_or_count};
use crate::identity;
use crate::kernel::{Cgroup, Task};
use crate::maps::{ASSIGNED, CGROUPS, CONTROL, PRIORITY, WORKLOADS};

/// Digits of a container id, as all runtimes but containerd's `ctr` make them.
const ID_DIGITS: i64 = 64;
/// Length of systemd's suffix `.scope`.
const SCOPE_SUFFIX: i64 = 6;
/// Bytes of a folder name that are looked at: the longest known prefix and suffix around an id.
const NAME_LEN: usize = 128;

/// A cgroup was made. What lies below a container belongs to it; anything else begins a workload of its own, which
/// user space may still fold into its parent's (a unit's sub-cgroups) or declare a container.
#[inline(always)]
pub fn made(cgroup: *const u8, path: *const u8) {
    let cgroup = Cgroup::new(cgroup);
    if !cgroup.is_v2() || !follows() {
        return;
    }
    let (id, parent) = (cgroup.id(), cgroup.parent().id());
    // SAFETY: without preallocation an element is not reused while a program can see it.
    let above = unsafe { CGROUPS.get(parent) }.copied().unwrap_or_default();
    let container = if above.workload == 0 { identity::workload_in(cgroup.parent()) } else { 0 };
    let entry = if above.flags & cgroup::CONTAINER != 0 {
        CgroupEntry { workload: above.workload, flags: cgroup::CONTAINER }
    } else if container != 0 {
        CgroupEntry { workload: container, flags: cgroup::CONTAINER }
    } else if is_container_name(cgroup.name_at()) {
        CgroupEntry { workload: id, flags: cgroup::CONTAINER }
    } else {
        CgroupEntry { workload: id, flags: 0 }
    };
    let has_row = entry.workload == id || may_nest(entry.workload);
    if has_row && CGROUPS.insert(id, entry, u64::from(BPF_NOEXIST)).is_err() && identity::workload_of(id) == 0
    {
        count(Hook::Cgroup, Reason::WorkloadTableFull, entry.workload);
    }
    if entry.workload == id
        && WORKLOADS.insert(id, WorkloadState::default(), u64::from(BPF_NOEXIST)).is_err()
        && WORKLOADS.get_ptr(id).is_none()
    {
        count(Hook::Cgroup, Reason::WorkloadTableFull, entry.workload);
    }
    if entry.workload == id {
        stage(id, parent, entry.flags & cgroup::CONTAINER != 0);
    }
    if is_active() {
        report(id, parent, entry.workload, kind::CGROUP_MADE, path);
    }
}

/// Whether one more cgroup below a container gets a row of its own: no container takes another one's.
#[inline(always)]
fn may_nest(workload: u64) -> bool {
    let Some(row) = WORKLOADS.get_ptr_mut(workload) else { return true };
    // SAFETY: a pointer out of a map is valid until the program ends; making cgroups is serialised by the kernel
    // (cgroup_mutex).
    let row = unsafe { &mut *row };
    row.nested = row.nested.saturating_add(1);
    row.nested <= NESTED_MAX
}

/// Assigns a newborn workload the policy of the cgroup that it is born in (its pod's), or the baseline of containers
/// for which nothing is decided yet.
#[inline(always)]
fn stage(workload: u64, parent: u64, is_container: bool) {
    // SAFETY: as above.
    let mut assigned = unsafe { ASSIGNED.get(parent) }.copied().unwrap_or_default();
    assigned.successor = 0;
    if assigned.flags & assignment::DECIDED == 0 {
        let pending = CONTROL.get(control::PENDING).copied().unwrap_or(0) as u32;
        let generation = if is_container { pending } else { 0 };
        assigned = Assignment { generation, ..Assignment::default() };
    }
    if assigned.generation != 0 && ASSIGNED.insert(workload, &assigned, u64::from(BPF_NOEXIST)).is_err() {
        count(Hook::Cgroup, Reason::WorkloadTableFull, workload);
    }
}

/// A cgroup was removed. Its entry stays, because processes and sockets outlive it; user space retires it later.
#[inline(always)]
pub fn removed(cgroup: *const u8, path: *const u8) {
    let cgroup = Cgroup::new(cgroup);
    if !cgroup.is_v2() || !is_active() {
        return;
    }
    let id = cgroup.id();
    report(id, cgroup.parent().id(), identity::workload_of(id), kind::CGROUP_REMOVED, path);
}

#[inline(always)]
fn report(id: u64, parent: u64, workload: u64, kind: u16, path: *const u8) {
    let moment = Moment::now();
    send_or_count::<CgroupEvent>(&PRIORITY, Hook::Cgroup, workload, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once; the path is read by a
        // helper that validates the source and ends it by NUL within the given length.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind, Hook::Cgroup));
            (&raw mut (*event).cgroup).write(id);
            (&raw mut (*event).parent).write(parent);
            (&raw mut (*event).workload).write(workload);
            let to = (&raw mut (*event).path).cast::<u8>();
            to.write(0);
            bpf_probe_read_kernel_str(to.cast(), PATH_LEN as u32, path.cast());
        }
    });
}

/// A process was moved into a cgroup.
#[inline(always)]
pub fn attached(target: *const u8, task: *const u8, whole_group: u64) {
    let (target, task) = (Cgroup::new(target), Task::new(task));
    // A single thread (threaded mode) does not carry the process along.
    if whole_group & 0xff == 0 || !target.is_v2() || !follows() {
        return;
    }
    let Some(actor) = identity::current(Hook::Attach) else { return };
    // SAFETY: pointers out of a map are valid until the program ends.
    let actor_workload = unsafe { (*actor).workload };
    let tgid = task.tgid();
    let Some(state) = identity::known(tgid).or_else(|| identity::adopt(task, Hook::Attach)) else {
        return;
    };
    // SAFETY: as above; moves of one process are serialised by the kernel (cgroup_threadgroup_rwsem).
    let state = unsafe { &mut *state };
    let is_entry = moved(state, actor_workload, target) || state.flags & flags::ENTRY_UNTOLD != 0;
    if !is_entry || !is_active() {
        return;
    }
    state.flags &= !flags::ENTRY_UNTOLD;
    let moment = Moment::now();
    send_or_count::<EntryEvent>(&PRIORITY, Hook::Attach, state.workload, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind::ENTERED, Hook::Attach));
            (&raw mut (*event).process).write(*state);
        }
    });
}

/// Decides what a move means; `true` if the process came from outside. Who moves itself, or is moved by a process of any
/// container, keeps its workload: runtimes work outside of them.
#[inline(always)]
pub fn moved(state: &mut ProcessState, actor_workload: u64, target: Cgroup) -> bool {
    let cgroup = target.id();
    let workload = identity::workload_in(target);
    if workload != 0 && workload == state.workload {
        state.cgroup = cgroup;
        return false;
    }
    if identity::is_container(state.workload)
        && (actor_workload == state.workload || identity::is_container(actor_workload))
    {
        state.cgroup = cgroup;
        state.flags |= flags::MIGRATED;
        return false;
    }
    identity::enter(state, target);
    true
}

/// Whether a folder is named as runtimes name a container's: 64 hexadecimal digits at the end, or before `.scope`.
#[inline(always)]
fn is_container_name(name_at: *const u8) -> bool {
    let mut name = [0u8; NAME_LEN];
    // SAFETY: the destination is NAME_LEN bytes long; the helper validates the source.
    let length =
        unsafe { bpf_probe_read_kernel_str(name.as_mut_ptr().cast(), NAME_LEN as u32, name_at.cast()) };
    // The length counts the terminating NUL.
    let id_end = length - 1;
    let scope_end = id_end - SCOPE_SUFFIX;
    (id_end >= ID_DIGITS && is_id(name_at.wrapping_add((id_end - ID_DIGITS) as usize)))
        || (scope_end >= ID_DIGITS && is_id(name_at.wrapping_add((scope_end - ID_DIGITS) as usize)))
}

/// Whether 64 characters from `0` to `f` stand here. A folder named so that is no container only means that what is
/// below inherits until user space, which reads the name exactly, says otherwise.
#[inline(always)]
fn is_id(at: *const u8) -> bool {
    let mut digits = [0u8; ID_DIGITS as usize];
    // SAFETY: the destination is ID_DIGITS bytes long; the helper validates the source.
    if unsafe { bpf_probe_read_kernel(digits.as_mut_ptr().cast(), ID_DIGITS as u32, at.cast()) } != 0 {
        return false;
    }
    for digit in digits {
        // One comparison a digit keeps the verifier's work linear.
        if digit.wrapping_sub(b'0') > b'f' - b'0' {
            return false;
        }
    }
    true
}
