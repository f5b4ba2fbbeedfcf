//! The agent's own: its process, its cgroup, its pins, the kernel's programs, the host's mounts. Workloads may not touch them; whoever
//! else may is told.

use cofferdam_abi::decide::Tables;
use cofferdam_abi::event::{attempt, mode};
use cofferdam_abi::hook::Hook;
use cofferdam_abi::policy::row;

use super::attempt::{Attempt, holds_agent, is_agent, on_agent};
use crate::identity;
use crate::kernel::{Dentry, File, Inode, Read, Task, Typed};
use crate::rules::{self, Kernel};

/// A signal is sent; `true`: it is refused. Signal 0 only asks whether a process is there.
#[inline(always)]
pub fn signalled(target: *const u8, signal: u32) -> bool {
    if signal == 0 || !is_agent(Task::new(target).tgid()) {
        return false;
    }
    on_agent(Hook::Protect, &Attempt { detail: u64::from(signal), ..Attempt::of(attempt::SIGNAL) })
}

/// bpf(2) is called; `true`: it is refused. Only to workloads that a policy speaks of: others may be the node's network.
#[inline(always)]
pub fn bpf_called(command: u32) -> bool {
    let Some(process) = identity::known(identity::current_tgid()) else { return false };
    // SAFETY: a pointer out of a map is valid until the program ends.
    let generation = rules::generation_of(unsafe { (*process).workload });
    if generation == 0 || Kernel.policy(generation).is_none_or(|it| it.flags & row::CONTAINED == 0) {
        return false;
    }
    on_agent(Hook::Protect, &Attempt { detail: u64::from(command), ..Attempt::of(attempt::BPF) })
}

/// A file is unlinked; `true`: it is refused, because it is a pin.
#[inline(always)]
pub fn unlinked(folder: *const u8) -> bool {
    if !Inode::<Typed>::new(folder).superblock().is_bpf() {
        return false;
    }
    on_agent(Hook::Protect, &Attempt::of(attempt::AGENT_FILE))
}

/// A file of the cgroup hierarchy is opened; `true`: it is refused, because it freezes, kills or moves the agent.
#[inline(always)]
pub fn cgroup_opened<R: Read>(file: File<R>) -> bool {
    if file.mode() & mode::WRITE == 0 {
        return false;
    }
    let entry = file.dentry().probed();
    // The inode number of a cgroup's folder is its id.
    holds_agent(entry.parent().inode().ino()) && controlled(entry)
}

/// A function of its own in the program too, for the sake of its frame. The host's manager writes to such files all
/// the time, and is not told.
#[inline(never)]
fn controlled(entry: Dentry) -> bool {
    let attempt =
        Attempt { path_at: entry.name_at(), by_host_too: false, ..Attempt::of(attempt::AGENT_FILE) };
    on_agent(Hook::Protect, &attempt)
}

/// Something is unmounted; `true`: it is refused, because it is the host's.
#[inline(always)]
pub fn unmounted() -> bool {
    if !identity::sees_host_mounts(Task::current()) || !is_in_container() {
        return false;
    }
    on_agent(Hook::Protect, &Attempt::of(attempt::MOUNT))
}

/// Whether the caller is in a container.
#[inline(always)]
fn is_in_container() -> bool {
    let Some(process) = identity::known(identity::current_tgid()) else { return false };
    // SAFETY: as above.
    identity::is_container(unsafe { (*process).workload })
}
