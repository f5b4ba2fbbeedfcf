//! Who is acting: process and workload.

use core::ffi::c_void;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::helpers::{bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::map::{cgroup, control};
use cofferdam_abi::process::{ProcessState, facts, flags};

use crate::emit::{Moment, count};
use crate::kernel::{Cgroup, Inode, Probed, Task};
use crate::maps::{CGROUPS, CONTROL, PROCESSES, WORKLOADS};
use crate::verifier;

/// Levels of the cgroup hierarchy in which containers are looked for.
pub const LEVELS: u32 = 12;

/// Host user id of the caller, now.
#[inline(always)]
pub fn current_uid() -> u32 {
    bpf_get_current_uid_gid() as u32
}

/// Thread-group id of the caller.
#[inline(always)]
pub fn current_tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The workload of a cgroup; 0 unknown.
#[inline(always)]
pub fn workload_of(cgroup: u64) -> u64 {
    // SAFETY: without preallocation an element is not reused while a program can see it; see the map.
    unsafe { CGROUPS.get(cgroup) }.map_or(0, |entry| entry.workload)
}

/// The same of a cgroup that may be one too many to have a row of its own: the container's above it.
#[inline(always)]
pub fn workload_in(cgroup: Cgroup) -> u64 {
    let workload = match workload_of(cgroup.id()) {
        0 => container_above(cgroup),
        workload => workload,
    };
    verifier::forget(workload)
}

/// Not a loop of this program's: the verifier would walk each of its rounds, each time that it comes here.
#[inline(never)]
fn container_above(cgroup: Cgroup) -> u64 {
    let mut search = Search { cgroup, level: cgroup.level(), workload: 0 };
    // SAFETY: the callback has the type that the helper asks for (5.17: `long (*callback_fn)(u64 index, void *ctx)`), and
    // what it gets outlives the call.
    unsafe { bpf_loop(LEVELS, look_at as *mut c_void, (&raw mut search).cast(), 0) };
    search.workload
}

/// For a container above a cgroup.
struct Search {
    cgroup: Cgroup,
    level: u32,
    workload: u64,
}

/// Looks at one level, from 0, which is the one below the root's; not 0: the search is over.
unsafe extern "C" fn look_at(index: u64, search: *mut Search) -> u64 {
    let level = index as u32 + 1;
    // SAFETY: the helper hands on what it got.
    let search = unsafe { &mut *search };
    if level > search.level {
        return 1;
    }
    match container_at(search.cgroup.ancestor(level).id()) {
        Some(workload) => search.workload = workload,
        None => return 0,
    }
    1
}

/// The workload of a cgroup that is a container's.
#[inline(always)]
pub fn container_at(cgroup: u64) -> Option<u64> {
    // SAFETY: as above.
    let entry = unsafe { CGROUPS.get(cgroup) }?;
    (entry.flags & cgroup::CONTAINER != 0).then_some(entry.workload)
}

/// Whether this workload is a container.
#[inline(always)]
pub fn is_container(workload: u64) -> bool {
    // SAFETY: as above.
    unsafe { CGROUPS.get(workload) }.is_some_and(|entry| entry.flags & cgroup::CONTAINER != 0)
}

/// The state of a thread group that is already known.
#[inline(always)]
pub fn known(tgid: u32) -> Option<*mut ProcessState> {
    PROCESSES.get_ptr_mut(tgid)
}

/// The caller's state; taken over from the kernel on the spot if its start was not seen. For programs that may
/// read the task.
#[inline(always)]
pub fn current(hook: Hook) -> Option<*mut ProcessState> {
    let (task, tgid) = (Task::current(), current_tgid());
    if let Some(state) = known(tgid) {
        // SAFETY: a pointer out of a map is valid until the program ends; the helper has no preconditions.
        let (start, cgroup, now_in) =
            unsafe { ((*state).start, (*state).cgroup, bpf_get_current_cgroup_id()) };
        if start == task.start() {
            if cgroup != now_in {
                moved(state, task);
            }
            return Some(state);
        }
        // It is another one's, whose end was not seen.
        let _ = PROCESSES.remove(tgid);
    }
    adopt(task, hook)
}

/// The caller is elsewhere than is known: the tracepoint that tells comes after the move itself, and the kernel leaves a
/// tracepoint's program out that runs already on that processor.
#[inline(never)]
fn moved(state: *mut ProcessState, task: Task) {
    // SAFETY: as above; moves of one process are serialised by the kernel, and the caller is in the new place already.
    let state = unsafe { &mut *state };
    if workload_in(task.cgroup()) == 0 {
        return;
    }
    // Out of a container nobody is taken for another one's, whoever moved it.
    let actor = if is_container(state.workload) { state.workload } else { 0 };
    if super::hooks::cgroup::moved(state, actor, task.cgroup()) {
        state.flags |= flags::ENTRY_UNTOLD;
    }
}

/// The caller's state for programs that may not read the task (cgroup hooks): only what the table holds.
#[inline(always)]
pub fn current_known(hook: Hook) -> Result<*mut ProcessState, ProcessState> {
    let tgid = current_tgid();
    known(tgid).ok_or_else(|| stranger(hook))
}

/// Cgroup and workload of the caller, of whom the table holds nothing.
#[inline(always)]
pub fn unknown(hook: Hook) -> (u64, u64) {
    // SAFETY: the helper has no preconditions.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    let workload = workload_of(cgroup);
    count(hook, Reason::UnknownProcess, workload);
    (cgroup, workload)
}

/// The caller, of whom the table holds nothing: known by its cgroup alone.
#[inline(always)]
pub fn stranger(hook: Hook) -> ProcessState {
    let (cgroup, workload) = unknown(hook);
    ProcessState { tgid: current_tgid(), cgroup, workload, ..ProcessState::default() }
}

/// A process that the table has no room for: only its cgroup tells who it is.
#[derive(Clone, Copy)]
pub struct Stranger {
    /// Thread-group id.
    pub tgid: u32,
    /// Its user, now.
    pub uid: u32,
    /// Cgroup v2 that it is in.
    pub cgroup: u64,
    /// The workload of that.
    pub workload: u64,
}

impl Stranger {
    /// The caller.
    #[inline(always)]
    pub fn current(hook: Hook) -> Self {
        let (cgroup, workload) = unknown(hook);
        Self { tgid: current_tgid(), uid: current_uid(), cgroup, workload }
    }

    /// All of the state is zeroed, then what is known written.
    ///
    /// # Safety
    /// `to` must be part of a reserved record.
    #[inline(always)]
    pub unsafe fn write_to(&self, to: *mut ProcessState) {
        // SAFETY: the caller's.
        unsafe {
            zero(to);
            (&raw mut (*to).tgid).write(self.tgid);
            (&raw mut (*to).uid).write(self.uid);
            (&raw mut (*to).cgroup).write(self.cgroup);
            (&raw mut (*to).workload).write(self.workload);
        }
    }
}

/// Zeroes word by word, as `T` is made of. What the compiler would call goes byte by byte, also in the verifier.
///
/// # Safety
/// `to` must be valid for writes.
#[inline(always)]
unsafe fn zero<T>(to: *mut T) {
    const { assert!(size_of::<T>().is_multiple_of(8) && align_of::<T>() == 8) };
    for word in 0..size_of::<T>() / 8 {
        // SAFETY: the caller's; volatile, or it would be made that call again.
        unsafe { to.cast::<u64>().add(word).write_volatile(0) };
    }
}

/// Takes over a process whose start was not seen. `None` if the table is full.
#[inline(always)]
pub fn adopt(task: Task, hook: Hook) -> Option<*mut ProcessState> {
    // Asked before, so that the frames of the two functions are not on the stack at once.
    adopt_in(workload_in(task.cgroup()), task, hook)
}

#[inline(never)]
fn adopt_in(workload: u64, task: Task, hook: Hook) -> Option<*mut ProcessState> {
    let tgid = task.tgid();
    let mut state = ProcessState {
        start: task.start(),
        exec: Moment::now().id(),
        tgid,
        ppid: task.ppid(),
        uid: task.uid(),
        flags: flags::ADOPTED | flags::UNSEEN_ENTRY,
        cgroup: task.cgroup().id(),
        workload,
        ..ProcessState::default()
    };
    if let Some(file) = task.executable() {
        (state.binary, state.facts) = describe(file.inode(), task, state.workload);
    }
    if PROCESSES.insert(tgid, &state, u64::from(BPF_NOEXIST)).is_err() && known(tgid).is_none() {
        count(hook, Reason::ProcessTableFull, state.workload);
    }
    let state = known(tgid)?;
    inherit(state);
    Some(state)
}

/// A process whose fork was not seen has this of its parent, where that is known and both run the same program.
#[inline(always)]
fn inherit(child: *mut ProcessState) {
    // SAFETY: pointers out of a map are valid until the program ends.
    unsafe {
        let Some(parent) = known((*child).ppid) else { return };
        let of_parent =
            (*parent).workload == (*child).workload && (*parent).binary.ino == (*child).binary.ino;
        if of_parent {
            let heritage = flags::FOREIGN_CODE
                | flags::EXEC_SESSION
                | flags::TAINTED
                | flags::RUNTIME
                | flags::TAKEN_OVER;
            (*child).flags |= (*parent).flags & heritage;
        }
    }
}

/// Key of an executable's inode and bits of [`facts`] about it, as the task sees it.
#[inline(always)]
pub fn describe(inode: Inode<Probed>, task: Task, workload: u64) -> (InodeKey, u32) {
    let (key, mut bits) = inode.identify();
    if task.root().filesystem() == key.filesystem {
        bits |= facts::ON_ROOT;
    }
    if sees_host_mounts(task) {
        bits |= facts::HOST_MOUNTS;
    }
    // SAFETY: as above.
    if let Some(state) = unsafe { WORKLOADS.get(workload) }
        && state.started != 0
    {
        bits |= facts::ROOT_KNOWN;
        if state.root_device == key.filesystem.device && state.root_generation == key.filesystem.generation {
            bits |= facts::ON_WORKLOAD_ROOT;
        }
    }
    (key, verifier::forget(u64::from(bits)) as u32)
}

/// Whether the task is in the host's mount namespace.
#[inline(always)]
pub fn sees_host_mounts(task: Task) -> bool {
    CONTROL.get(control::HOST_MOUNTS).is_some_and(|host| *host != 0 && *host == task.mount_namespace())
}

/// A process came into a cgroup from outside: it is the runtime, or whoever the runtime lets in.
#[inline(always)]
pub fn enter(state: &mut ProcessState, target: Cgroup) {
    state.cgroup = target.id();
    state.workload = workload_in(target);
    state.flags &= !(flags::EXEC_SESSION | flags::TAINTED | flags::MIGRATED | flags::UNSEEN_ENTRY);
    state.flags |= flags::RUNTIME;
    // SAFETY: as above.
    if unsafe { WORKLOADS.get(state.workload) }.is_some_and(|workload| workload.started != 0) {
        state.flags |= flags::EXEC_SESSION;
    }
}
