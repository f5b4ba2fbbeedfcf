//! Exec, fork, exit: which process runs which program.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use cofferdam_abi::decide;
use cofferdam_abi::event::{ExecEvent, ExitEvent, ForkEvent, PATH_LEN, attempt, kind, verdict};
use cofferdam_abi::hook::{Hook, Reason};
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::policy::exec;
use cofferdam_abi::process::{ProcessState, facts, flags};

use super::attempt::{Attempt, told};
use super::repeat::{Budget, spend};
use crate::emit::{Moment, count, follows, is_active, send_or_count};
use crate::identity;
use crate::kernel::{Bprm, File, Probed, Task};
use crate::maps::{PRIORITY, PROCESSES, SCRIPTS, Script, WORKLOADS, resolved};
use crate::rules::{self, Kernel, Ruled};

/// lsm tier, before an exec resolves; `true`: it is refused. Of a script the kernel asks twice: for the script, then
/// for its interpreter. The script is remembered, because later the kernel only tells the interpreter.
#[inline(always)]
pub fn checked(bprm: *const u8) -> bool {
    let bprm = Bprm::new(bprm);
    let task = Task::current();
    let Some(state) = identity::current(Hook::Exec) else {
        // The table is full: what it is allowed depends on its workload alone.
        let stranger = identity::stranger(Hook::Exec);
        let (file, facts) = identity::describe(bprm.file().inode(), task, stranger.workload);
        return rule(&stranger, task, bprm, &Script { file, facts, by: resolved::BY_SCRIPT });
    };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let state = unsafe { &mut *state };
    let (file, facts) = identity::describe(bprm.file().inode(), task, state.workload);
    let by = if bprm.begins_as_script() { resolved::BY_SCRIPT } else { resolved::NO_SCRIPT };
    let script = Script { file, facts, by };
    if rule(state, task, bprm, &script) {
        return true;
    }
    if bprm.is_script() {
        asked_again(bprm, by);
        return false;
    }
    // Keyed by the exec itself: by its end the calling thread may have taken the leader's id.
    // One that finds no room loses the script's inode, not the exec: evidence, counted.
    if SCRIPTS.insert(bprm.address(), &script, 0).is_err() {
        count(Hook::Exec, Reason::ReadFailed, state.workload);
    }
    false
}

/// Another file has taken the place of the one that was asked for before. If that was no script, it was a handler's
/// doing.
#[inline(always)]
fn asked_again(bprm: Bprm, by: u32) {
    let Some(script) = SCRIPTS.get_ptr_mut(bprm.address()) else { return };
    // SAFETY: a pointer out of a map is valid until the program ends; the row is this exec's, which is here.
    let script = unsafe { &mut *script };
    script.by = if script.by == resolved::BY_SCRIPT { by } else { resolved::BY_HANDLER };
}

/// Asks the rules. Whoever is let into a running container by the runtime is no runtime any more once a file of the
/// container is executed; the container's own start is never refused.
#[inline(never)]
fn rule(process: &ProcessState, task: Task, bprm: Bprm, file: &Script) -> bool {
    let generation = rules::generation_of(process.workload);
    if generation == 0 {
        return false;
    }
    let mut actor = rules::actor(process, generation);
    let enters = process.flags & flags::RUNTIME != 0 && process.flags & flags::EXEC_SESSION != 0;
    // A runtime executes itself, or a copy of itself in memory, before it enters the container's mounts.
    if enters && !identity::sees_host_mounts(task) {
        actor.flags &= !flags::RUNTIME;
    }
    let decision = decide::execute(&Kernel, &actor, file.file, file.facts);
    let ruled = Ruled::by(decision, generation, 0);
    if ruled.verdict() != verdict::ALLOWED {
        let attempt = Attempt {
            file: file.file,
            facts: file.facts,
            detail: u64::from(bprm.is_script()),
            path_at: bprm.filename_at(),
            ..Attempt::of(attempt::EXECUTE)
        };
        told(Hook::Exec, &attempt, process, ruled);
    }
    decision.is_denied()
}

/// A file is mapped as code. A program with code that did not come with the image is not what its binary says. Returns
/// bits of [`facts`] about the first such code in a process, else 0.
#[inline(never)]
pub fn code_mapped(file: *const u8) -> u32 {
    let Some(state) = identity::current(Hook::Mmap) else { return 0 };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let state = unsafe { &mut *state };
    let is_free = rules::are_in_charge() && rules::generation_of(state.workload) == 0;
    if flags::is_runtime(state.flags) || is_free {
        return 0;
    }
    if state.flags & flags::FOREIGN_CODE != 0 {
        return 0;
    }
    let facts = facts_of(file, state.workload);
    if !is_foreign(facts) {
        return 0;
    }
    state.flags |= flags::FOREIGN_CODE;
    facts
}

/// A function of its own in the program too: its frame must not add to that of an adoption.
#[inline(never)]
fn facts_of(file: *const u8, workload: u64) -> u32 {
    identity::describe(File::<Probed>::new(file).inode(), Task::current(), workload).1
}

/// Whether code of such a file did not come with the image.
#[inline(always)]
fn is_foreign(facts: u32) -> bool {
    decide::origin(facts) & (exec::WRITTEN | exec::MEMFD | exec::DELETED) != 0
}

/// Tells of the first code in a process that could not have been executed: a loader that is given a file as its argument
/// gets around that. It is not refused, because programs load libraries that they have written themselves.
#[inline(never)]
pub fn foreign_code(file: *const u8, facts: u32) {
    let Some(state) = identity::known(identity::current_tgid()) else { return };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let state = unsafe { &*state };
    let generation = rules::generation_of(state.workload);
    if generation == 0 {
        return;
    }
    let file = File::<Probed>::new(file);
    let (key, _) = file.inode().identify();
    let decision = decide::execute(&Kernel, &rules::actor(state, generation), key, facts);
    let ruled = Ruled::by(decision, generation, 0).seen();
    if ruled.verdict() != verdict::ALLOWED {
        let path_at = file.dentry().name_at();
        told(
            Hook::Mmap,
            &Attempt { file: key, facts, path_at, ..Attempt::of(attempt::MAP_CODE) },
            state,
            ruled,
        );
    }
}

/// A process has executed a file, which it cannot go back from. Nothing of the new program is mapped yet where an LSM
/// hook tells it.
#[inline(always)]
pub fn executed(bprm: *const u8) {
    if !follows() {
        return;
    }
    let (task, bprm) = (Task::current(), Bprm::new(bprm));
    let Some(state) = identity::current(Hook::Exec) else { return };
    // SAFETY: a pointer out of a map is valid until the program ends; only the process itself and whoever moves it
    // between cgroups write here, field by field.
    let state = unsafe { &mut *state };
    let previous = state.exec;
    let moment = Moment::now();
    state.exec = moment.id();
    state.uid = task.uid();
    state.flags &= !(flags::FORKED | flags::ADOPTED | flags::FOREIGN_CODE);
    #[cfg(feature = "next")]
    {
        state.programs += 1;
    }

    let inode = bprm.file().inode();
    // Whatever is executed in a unit is the unit's: only containers are set up from within.
    if state.flags & flags::RUNTIME != 0
        && (!identity::sees_host_mounts(task) || !identity::is_container(state.workload))
    {
        start(state, task);
    }
    let (file, bits) = identity::describe(inode, task, state.workload);
    name_binary(state, file, bits, bprm);
    if !is_active() {
        return;
    }
    if spend(state.workload, Budget::Beginnings, moment) {
        state.flags &= !flags::UNTOLD;
        report(state, moment, previous, bprm);
    } else {
        state.flags |= flags::UNTOLD;
        count(Hook::Exec, Reason::OverBudget, state.workload);
    }
}

/// The first exec of a file of the container: the runtime has handed over.
#[inline(always)]
fn start(state: &mut ProcessState, task: Task) {
    state.flags &= !(flags::RUNTIME | flags::TAKEN_OVER);
    let Some(workload) = WORKLOADS.get_ptr_mut(state.workload) else { return };
    // SAFETY: a pointer out of a map is valid until the program ends; `started` is written once, after the root.
    let workload = unsafe { &mut *workload };
    if workload.started == 0 {
        let root = task.root().filesystem();
        workload.root_device = root.device;
        workload.root_generation = root.generation;
        workload.started = 1;
    }
}

/// Sets binary and interpreter; for a script the file that the exec check saw, where there is one. What a handler runs
/// in the place of a file is the binary itself.
#[inline(always)]
fn name_binary(state: &mut ProcessState, file: InodeKey, bits: u32, bprm: Bprm) {
    state.binary = file;
    state.interpreter = InodeKey::default();
    state.facts = bits;
    if bprm.is_script() {
        // SAFETY: keyed by this exec, which is here.
        let script = unsafe { SCRIPTS.get(bprm.address()) };
        if script.is_none_or(|script| script.by != resolved::BY_HANDLER) {
            state.interpreter = file;
            state.binary = InodeKey::default();
            state.facts = facts::SCRIPT | bits & (facts::HOST_MOUNTS | facts::ROOT_KNOWN);
            if let Some(script) = script {
                state.binary = script.file;
                state.facts = facts::SCRIPT | script.facts;
            }
            if is_foreign(bits) {
                state.flags |= flags::FOREIGN_CODE;
            }
        }
    }
    let _ = SCRIPTS.remove(bprm.address());
}

#[inline(always)]
fn report(state: &ProcessState, moment: Moment, previous: u64, bprm: Bprm) {
    send_or_count::<ExecEvent>(&PRIORITY, Hook::Exec, state.workload, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once; the paths are read by a
        // helper that validates the source and ends them by NUL within the given length.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind::EXEC, Hook::Exec));
            (&raw mut (*event).process).write(*state);
            (&raw mut (*event).previous).write(previous);
            let path = (&raw mut (*event).path).cast::<u8>();
            path.write(0);
            bpf_probe_read_kernel_str(path.cast(), PATH_LEN as u32, bprm.filename_at().cast());
            let interpreter = (&raw mut (*event).interpreter).cast::<u8>();
            interpreter.write(0);
            bpf_probe_read_kernel_str(interpreter.cast(), PATH_LEN as u32, bprm.interpreter_at().cast());
            let used = bprm.file().dentry().names(&mut (*event).names);
            (&raw mut (*event).names_len).write(u64::from(used));
        }
    });
}

/// A task was forked; threads are not processes.
#[inline(always)]
pub fn forked(parent: *const u8, child: *const u8) {
    let (parent, child) = (Task::new(parent), Task::new(child));
    if !child.is_leader() || !follows() {
        return;
    }
    let parent_tgid = parent.tgid();
    let Some(origin) = identity::known(parent_tgid).or_else(|| identity::adopt(parent, Hook::Fork)) else {
        return;
    };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let origin = unsafe { &*origin };
    let moment = Moment::now();
    let mut state = *origin;
    state.tgid = child.tgid();
    state.ppid = child.ppid();
    state.start = child.start();
    state.uid = child.uid();
    state.exec = moment.id();
    state.flags = state.flags & !flags::ADOPTED | flags::FORKED;
    let cgroup = child.cgroup();
    if cgroup.id() != state.cgroup {
        // Born into another cgroup (CLONE_INTO_CGROUP): no attach event follows.
        crate::hooks::cgroup::moved(&mut state, origin.workload, cgroup);
    }
    let speaks = is_active();
    let is_told = !speaks || spend(state.workload, Budget::Beginnings, moment);
    state.flags = if is_told { state.flags & !flags::UNTOLD } else { state.flags | flags::UNTOLD };
    if PROCESSES.insert(state.tgid, &state, 0).is_err() {
        count(Hook::Fork, Reason::ProcessTableFull, state.workload);
    }
    if !is_told {
        count(Hook::Fork, Reason::OverBudget, state.workload);
    }
    if !is_told || !speaks {
        return;
    }
    send_or_count::<ForkEvent>(&PRIORITY, Hook::Fork, state.workload, |event| {
        // SAFETY: `event` is a reserved record of this type; each field is written once.
        unsafe {
            (&raw mut (*event).header).write(moment.header(kind::FORK, Hook::Fork));
            (&raw mut (*event).process).write(state);
            (&raw mut (*event).parent_exec).write(origin.exec);
            (&raw mut (*event).parent_start).write(origin.start);
        }
    });
}

/// A task ends; the process ends with its last thread.
#[inline(always)]
pub fn exited(task: *const u8) {
    let task = Task::new(task);
    if !task.group_is_dead() || !follows() {
        return;
    }
    let tgid = task.tgid();
    let Some(state) = identity::known(tgid) else { return };
    // SAFETY: a pointer out of a map is valid until the program ends, also after the removal.
    let (start, exec, workload, bits) =
        unsafe { ((*state).start, (*state).exec, (*state).workload, (*state).flags) };
    if PROCESSES.remove(tgid).is_err() {
        // Another thread, ending at the same time, was first.
        return;
    }
    if bits & flags::UNTOLD != 0 || !is_active() {
        return;
    }
    let moment = Moment::now();
    send_or_count::<ExitEvent>(&PRIORITY, Hook::Exit, workload, |event| {
        // SAFETY: `event` is a reserved record of this type.
        unsafe {
            event.write(ExitEvent {
                header: moment.header(kind::EXIT, Hook::Exit),
                start,
                exec,
                workload,
                tgid,
                reserved: 0,
            });
        }
    });
}
