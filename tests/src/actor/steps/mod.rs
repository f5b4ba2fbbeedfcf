//! The steps by name.

mod cgroup;
mod compat;
mod descriptor;
mod execute;
mod load;
mod net;
mod open;
mod process;
mod sequence;
mod uring;

use super::{Done, Given, Hands};

/// One step.
pub(super) type Action = fn(&Given<'_>, &mut Hands) -> Done;

const STEPS: &[(&str, Action)] = &[
    ("sequence", sequence::sequence),
    ("open", open::open),
    ("creat", open::creat),
    ("open-in-thread", open::in_thread),
    ("openat", open::openat),
    ("openat2", open::openat2),
    ("open-by-handle", open::by_handle),
    ("open-mmap", open::mapped),
    ("open-root", open::through_proc_root),
    ("open32", compat::open),
    ("open-uring", uring::open),
    ("link", open::link),
    ("symlink", open::symlink),
    ("rename", open::rename),
    ("unlink", open::unlink),
    ("write", open::write),
    ("hold", descriptor::hold),
    ("release", descriptor::release),
    ("reopen", descriptor::reopen),
    ("map-held", descriptor::map),
    ("read-held", descriptor::read),
    ("number-held", descriptor::number),
    ("listen-fd", descriptor::listen),
    ("send-fd", descriptor::send),
    ("receive-fd", descriptor::receive),
    ("thread", process::thread),
    ("pid", process::pid),
    ("setuid", process::set_uid),
    ("address", process::address),
    ("vm-read", process::vm_read),
    ("ptrace", process::ptrace),
    ("pidfd-getfd", process::pidfd_getfd),
    ("dumpable", process::dumpable),
    ("connect-tcp", net::connect_tcp),
    ("connect-udp", net::connect_udp),
    ("send-udp", net::send_udp),
    ("fast-open", net::fast_open),
    ("spawn", execute::spawn),
    ("end", execute::end),
    ("run", execute::run),
    ("copy", execute::copy),
    ("run-memfd", execute::memfd),
    ("run-deleted", execute::deleted),
    ("run-bound-over", execute::bound_over),
    ("open-loop", load::opens),
    ("fork-loop", load::forks),
    ("connect-loop", load::connects),
    ("migrate", cgroup::migrate),
    ("nest", cgroup::nest),
    ("mount-proc", cgroup::mount_proc),
];

/// The step of this name.
pub(super) fn find(name: &str) -> Option<Action> {
    STEPS.iter().find(|(known, _)| *known == name).map(|(_, action)| *action)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|(name, _)| *name)
}
