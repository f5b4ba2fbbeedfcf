//! The steps by name.

mod bpf;
mod cgroup;
mod code;
mod compat;
mod descriptor;
mod execute;
mod exit;
mod family;
mod hammer;
mod hinder;
mod image;
mod load;
mod namespace;
mod net;
mod open;
mod process;
mod segment;
mod sequence;
mod socket;
mod traced;
mod uring;

use super::{Done, Given, Hands};

/// One step.
pub(super) type Action = fn(&Given<'_>, &mut Hands) -> Done;

const STEPS: &[(&str, Action)] = &[
    ("sequence", sequence::sequence),
    ("inner", sequence::inner),
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
    ("connect-uring", uring::connect),
    ("send-uring", uring::send),
    ("link", open::link),
    ("symlink", open::symlink),
    ("rename", open::rename),
    ("unlink", open::unlink),
    ("rmdir", open::rmdir),
    ("write", open::write),
    ("hold", descriptor::hold),
    ("release", descriptor::release),
    ("reopen", descriptor::reopen),
    ("map-held", descriptor::map),
    ("read-held", descriptor::read),
    ("number-held", descriptor::number),
    ("bequeath", descriptor::bequeath),
    ("inherit", descriptor::inherit),
    ("listen-fd", descriptor::listen),
    ("send-fd", descriptor::send),
    ("receive-fd", descriptor::receive),
    ("thread", process::thread),
    ("pid", process::pid),
    ("setuid", process::set_uid),
    ("set-exe", image::set_exe),
    ("address", process::address),
    ("vm-read", process::vm_read),
    ("ptrace", process::ptrace),
    ("pidfd-getfd", process::pidfd_getfd),
    ("read-mem", process::read_mem),
    ("map-code", code::map),
    ("run-mapped", code::run),
    ("dumpable", process::dumpable),
    ("dumps-into", process::dumps_into),
    ("connect-held", exit::connect),
    ("connect-posing", exit::connect_posing),
    ("connect-self", exit::connect_self),
    ("send-through", exit::send_through),
    ("listen-tcp", exit::listen),
    ("accept-tcp", exit::accept_tcp),
    ("connect-unix", exit::connect_unix),
    ("accept", exit::accept),
    ("listen-datagrams", exit::listen_datagrams),
    ("send-datagram", exit::send_datagram),
    ("send-held", exit::send_byte),
    ("sendfile", exit::sendfile),
    ("splice", exit::splice),
    ("copy-range", exit::copy_range),
    ("copy-held", exit::copy),
    ("fifo", exit::fifo),
    ("take", exit::take),
    ("connect-mptcp", socket::mptcp),
    ("connect-sctp", socket::sctp),
    ("send-raw", socket::raw),
    ("send-packet", socket::packet),
    ("send-syn-ack", segment::syn_ack),
    ("make-vsock", socket::vsock),
    ("unshare", namespace::unshare),
    ("enter-namespaces", namespace::enter),
    ("bind", namespace::bind),
    ("overlay", namespace::overlay),
    ("chroot", namespace::chroot),
    ("folder", namespace::folder),
    ("signal", process::signal),
    ("limit", hinder::limit),
    ("pin", hinder::pin),
    ("renice", hinder::renice),
    ("ionice", hinder::ionice),
    ("bpf-map", bpf::map),
    ("bpf-get", bpf::get),
    ("bpf-map-by-id", bpf::map_by_id),
    ("bpf-link-by-id", bpf::link_by_id),
    ("bpf-program-by-id", bpf::program_by_id),
    ("bpf-detach", bpf::detach),
    ("bpf-rewrite", bpf::rewrite),
    ("in-daemon", family::daemon),
    ("open-vfork", family::vfork_open),
    ("hammer-opens", hammer::opens),
    ("hammer-connects", hammer::connects),
    ("connect-tcp", net::connect_tcp),
    ("connect-udp", net::connect_udp),
    ("send-udp", net::send_udp),
    ("fast-open", net::fast_open),
    ("spawn", execute::spawn),
    ("end", execute::end),
    ("run", execute::run),
    ("copy", execute::copy),
    ("run-memfd", execute::memfd),
    ("hold-memfd", execute::hold_memfd),
    ("run-traced", traced::run),
    ("run-deleted", execute::deleted),
    ("run-bound-over", execute::bound_over),
    ("open-loop", load::opens),
    ("fork-loop", load::forks),
    ("connect-loop", load::connects),
    ("migrate", cgroup::migrate),
    ("nest", cgroup::nest),
    ("nest-many", cgroup::nest_many),
    ("move-other", cgroup::move_other),
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
