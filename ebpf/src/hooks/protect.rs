//! The agent's own: its process, its cgroup, its pins, the kernel's programs, the host's mounts. Workloads may not touch them; whoever
//! else may is told.

use cofferdam_abi::decide::Tables;
use cofferdam_abi::event::{attempt, mode};
use cofferdam_abi::hook::Hook;
use cofferdam_abi::map::{control, own};
use cofferdam_abi::policy::row;

use super::attempt::{holds_agent, is_agent, on_agent, on_file_of_agent};
use crate::identity;
use crate::kernel::{Dentry, File, Inode, Read, Task, Typed, first_word, id_of_map};
use crate::maps::{CONTROL, OWN};
use crate::rules::{self, Kernel};

/// Levels from a pin up to the folder of pins.
const PIN_DEPTH: u32 = 6;

/// A signal is sent; `true`: it is refused. Signal 0 only asks whether a process is there.
#[inline(always)]
pub fn signalled(target: *const u8, signal: u32) -> bool {
    if signal == 0 || !is_agent(Task::new(target).tgid()) {
        return false;
    }
    on_agent(attempt::SIGNAL, u64::from(signal))
}

/// A process is limited or slowed; `true`: it is refused. The kernel itself kills who exceeds a limit, and no signal is
/// asked for then.
#[inline(always)]
pub fn limited(target: *const u8, how: u64) -> bool {
    if !is_agent(Task::new(target).tgid()) {
        return false;
    }
    on_agent(attempt::LIMIT, how)
}

/// bpf(2) is called; `true`: it is refused. Wholly to workloads that a policy speaks of; other containers may be the
/// node's network, and are only kept from what is ours.
#[inline(always)]
pub fn bpf_called(command: u32, attributes: *const u8) -> bool {
    let workload = match identity::current(Hook::Protect) {
        // SAFETY: a pointer out of a map is valid until the program ends.
        Some(process) => unsafe { (*process).workload },
        None => identity::stranger(Hook::Protect).workload,
    };
    let generation = rules::generation_of(workload);
    let by_policy =
        generation != 0 && Kernel.policy(generation).is_some_and(|it| it.flags & row::CONTAINED != 0);
    let is_forbidden = by_policy || identity::is_container(workload) && is_own(command, attributes);
    if !is_forbidden {
        return false;
    }
    on_agent(attempt::BPF, u64::from(command))
}

/// A descriptor of a map is asked for; `true`: it is refused, because the map is ours. Who has one could have a program
/// of his own write to it.
#[inline(always)]
pub fn map_opened(map: *const u8) -> bool {
    // SAFETY: only the presence is asked for.
    if unsafe { OWN.get(own::map(id_of_map(map))) }.is_none() || !is_in_container() {
        return false;
    }
    on_agent(attempt::BPF, u64::from(cmd::OBJ_GET))
}

/// A name is taken out of a folder, or overwritten there; `true`: it is refused, because it is a pin's.
#[inline(always)]
pub fn unlinked(folder: *const u8, entry: *const u8) -> bool {
    if !Inode::<Typed>::new(folder).superblock().is_bpf() || !is_pin(Dentry::new(entry)) {
        return false;
    }
    on_agent(attempt::AGENT_FILE, 0)
}

/// Whether this is the folder of pins or below it. Others have pins of their own, and may do with them what they want.
#[inline(always)]
fn is_pin(entry: Dentry) -> bool {
    let Some(pins) = CONTROL.get(control::PINS).filter(|pins| **pins != 0) else { return false };
    let mut entry = entry;
    for _ in 0..PIN_DEPTH {
        if entry.inode().ino() == *pins {
            return true;
        }
        entry = entry.parent();
    }
    false
}

/// A file of the cgroup hierarchy is opened; `true`: it is refused, because it freezes, kills or moves the agent.
#[inline(always)]
pub fn cgroup_opened<R: Read>(file: File<R>) -> bool {
    if file.mode() & mode::WRITE == 0 {
        return false;
    }
    let entry = file.dentry().probed();
    // The inode number of a cgroup's folder is its id.
    holds_agent(entry.parent().inode().ino()) && on_file_of_agent(entry.name_at())
}

/// Something is unmounted; `true`: it is refused, because it is the host's.
#[inline(always)]
pub fn unmounted() -> bool {
    if !identity::sees_host_mounts(Task::current()) || !is_in_container() {
        return false;
    }
    on_agent(attempt::MOUNT, 0)
}

/// Whether the caller is in a container.
#[inline(always)]
fn is_in_container() -> bool {
    let workload = match identity::current(Hook::Protect) {
        // SAFETY: as above.
        Some(process) => unsafe { (*process).workload },
        None => identity::stranger(Hook::Protect).workload,
    };
    identity::is_container(workload)
}

/// Whether a command opens a map, a program or a link of the agent's by its number, or changes a map or a link. All of
/// these name it at the beginning of `union bpf_attr`; how the caller came by a descriptor does not matter. Another of his
/// threads may put another one in its place meanwhile: what keeps links whole is that he has none, and that the agent looks.
#[inline(always)]
fn is_own(command: u32, attributes: *const u8) -> bool {
    let by_id = match command {
        cmd::MAP_GET_FD_BY_ID => Some(own::map(first_word(attributes))),
        cmd::PROG_GET_FD_BY_ID => Some(own::program(first_word(attributes))),
        cmd::LINK_GET_FD_BY_ID => Some(own::link(first_word(attributes))),
        _ => None,
    };
    if let Some(key) = by_id {
        // SAFETY: only the presence is asked for.
        return unsafe { OWN.get(key) }.is_some();
    }
    let changes_map = matches!(
        command,
        cmd::MAP_UPDATE_ELEM
            | cmd::MAP_DELETE_ELEM
            | cmd::MAP_LOOKUP_AND_DELETE_ELEM
            | cmd::MAP_FREEZE
            | cmd::MAP_LOOKUP_AND_DELETE_BATCH
            | cmd::MAP_UPDATE_BATCH
            | cmd::MAP_DELETE_BATCH
    );
    if !changes_map && !matches!(command, cmd::LINK_UPDATE | cmd::LINK_DETACH) {
        return false;
    }
    let descriptor = first_word(attributes);
    let Some(file) = Task::current().descriptor(u64::from(descriptor)) else { return false };
    let key = if changes_map { own::map(file.map_id()) } else { own::link(file.link_id()) };
    // SAFETY: only the presence is asked for.
    unsafe { OWN.get(key) }.is_some()
}

/// `enum bpf_cmd`, include/uapi/linux/bpf.h.
mod cmd {
    pub const MAP_UPDATE_ELEM: u32 = 2;
    pub const MAP_DELETE_ELEM: u32 = 3;
    pub const OBJ_GET: u32 = 7;
    pub const PROG_GET_FD_BY_ID: u32 = 13;
    pub const MAP_GET_FD_BY_ID: u32 = 14;
    pub const MAP_LOOKUP_AND_DELETE_ELEM: u32 = 21;
    pub const MAP_FREEZE: u32 = 22;
    pub const MAP_LOOKUP_AND_DELETE_BATCH: u32 = 25;
    pub const MAP_UPDATE_BATCH: u32 = 26;
    pub const MAP_DELETE_BATCH: u32 = 27;
    pub const LINK_UPDATE: u32 = 29;
    pub const LINK_GET_FD_BY_ID: u32 = 30;
    pub const LINK_DETACH: u32 = 34;
}
