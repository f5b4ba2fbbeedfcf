//! Techniques by which others were got around, in the order of the table.

mod above_root_renamed;
mod agent_deprived;
mod agent_frozen;
mod agent_killed;
mod agent_limited;
mod agent_oom_score;
mod agent_pins;
mod agent_signalled;
mod agent_socket;
mod agent_starved;
mod agent_stopped;
mod agent_traced;
mod bind_mount;
mod bound_over;
mod bpf_call;
mod bpf_descriptor_by_unruled;
mod bpf_ids_by_unruled;
mod bpf_link_by_unruled;
mod bpf_pins_by_unruled;
mod cgroup_again;
mod chroot;
mod clock_set_back;
mod code_by_loader;
mod copied_to_file;
mod copy_file_range;
mod core_dump;
mod daemon;
mod data_swap;
mod descriptor_across_pods;
mod descriptor_in_pod;
mod descriptor_sent_across;
mod device_reused;
mod dns_tunnel;
mod early_connection;
mod early_unix_connection;
mod environ;
mod environ_across;
mod environ_across_unruled;
mod environ_of_thread;
mod fast_open;
mod forged_names;
mod fork_storm;
mod hard_link;
mod held_before;
mod inherited;
mod inherited_mapped;
mod keyed;
mod keys_linked;
mod keys_renamed;
mod local_proxy;
mod local_proxy_datagram;
mod local_proxy_unix;
mod many_cgroups;
mod mapped_address;
mod memfd;
mod memfd_any;
mod memory_across_unruled;
mod migration;
mod migration_by_other;
mod migration_connect;
mod mptcp;
mod nested_container;
mod open_by_handle;
mod openat2;
mod other_root;
mod other_workload;
mod out_of_band;
mod overlaid;
mod overlaid_secret;
mod overlaid_tree;
mod overwritten;
mod packet;
mod pidfd_getfd;
mod pins_folder_removed;
mod pins_renamed;
mod pipe;
mod plain;
mod preload;
mod proc_mem;
mod proc_self_fd;
mod proc_self_root;
mod proc_sibling_root;
mod process_vm_readv;
mod ptrace;
mod raw;
mod raw_syn_ack;
mod rename;
mod replaced;
mod resolver_tunnel;
mod rings_full;
mod root_linked;
mod root_renamed;
mod roots;
mod script;
mod sctp;
mod second_procfs;
mod self_connection;
mod sendfile;
mod sendfile_unix;
mod session_into_memfd;
mod session_into_memfd_any;
mod set_exe;
mod setns;
mod shared_memory;
mod splice;
mod splice_unix;
mod symlink;
mod tcp;
mod tcp6;
mod thread;
mod traced_from_birth;
mod tree_too_deep;
mod udp_connected;
mod udp_unconnected;
mod unix_socket;
mod unruled;
mod unshare;
mod uring_connect;
mod uring_open;
mod uring_send;
mod vfork;
mod vsock;
mod written;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    // First: they play before there is a policy.
    bpf_pins_by_unruled::SCENARIO,
    bpf_ids_by_unruled::SCENARIO,
    bpf_link_by_unruled::SCENARIO,
    bpf_descriptor_by_unruled::SCENARIO,
    memory_across_unruled::SCENARIO,
    environ_across_unruled::SCENARIO,
    plain::SCENARIO,
    symlink::SCENARIO,
    hard_link::SCENARIO,
    bind_mount::SCENARIO,
    rename::SCENARIO,
    keys_linked::SCENARIO,
    keys_renamed::SCENARIO,
    tree_too_deep::SCENARIO,
    root_renamed::SCENARIO,
    above_root_renamed::SCENARIO,
    root_linked::SCENARIO,
    data_swap::SCENARIO,
    proc_self_root::SCENARIO,
    proc_sibling_root::SCENARIO,
    proc_self_fd::SCENARIO,
    open_by_handle::SCENARIO,
    openat2::SCENARIO,
    uring_open::SCENARIO,
    uring_connect::SCENARIO,
    uring_send::SCENARIO,
    descriptor_in_pod::SCENARIO,
    descriptor_across_pods::SCENARIO,
    descriptor_sent_across::SCENARIO,
    other_workload::SCENARIO,
    pidfd_getfd::SCENARIO,
    inherited::SCENARIO,
    inherited_mapped::SCENARIO,
    held_before::SCENARIO,
    sendfile::SCENARIO,
    splice::SCENARIO,
    copy_file_range::SCENARIO,
    copied_to_file::SCENARIO,
    memfd::SCENARIO,
    written::SCENARIO,
    memfd_any::SCENARIO,
    session_into_memfd::SCENARIO,
    session_into_memfd_any::SCENARIO,
    script::SCENARIO,
    preload::SCENARIO,
    code_by_loader::SCENARIO,
    overwritten::SCENARIO,
    replaced::SCENARIO,
    bound_over::SCENARIO,
    overlaid::SCENARIO,
    other_root::SCENARIO,
    overlaid_secret::SCENARIO,
    overlaid_tree::SCENARIO,
    set_exe::SCENARIO,
    ptrace::SCENARIO,
    traced_from_birth::SCENARIO,
    process_vm_readv::SCENARIO,
    proc_mem::SCENARIO,
    core_dump::SCENARIO,
    environ::SCENARIO,
    environ_of_thread::SCENARIO,
    environ_across::SCENARIO,
    unshare::SCENARIO,
    setns::SCENARIO,
    second_procfs::SCENARIO,
    chroot::SCENARIO,
    nested_container::SCENARIO,
    many_cgroups::SCENARIO,
    migration::SCENARIO,
    migration_connect::SCENARIO,
    migration_by_other::SCENARIO,
    daemon::SCENARIO,
    thread::SCENARIO,
    vfork::SCENARIO,
    pipe::SCENARIO,
    shared_memory::SCENARIO,
    unix_socket::SCENARIO,
    tcp::SCENARIO,
    tcp6::SCENARIO,
    fast_open::SCENARIO,
    out_of_band::SCENARIO,
    udp_connected::SCENARIO,
    udp_unconnected::SCENARIO,
    mapped_address::SCENARIO,
    mptcp::SCENARIO,
    sctp::SCENARIO,
    raw::SCENARIO,
    raw_syn_ack::SCENARIO,
    packet::SCENARIO,
    vsock::SCENARIO,
    local_proxy::SCENARIO,
    local_proxy_unix::SCENARIO,
    local_proxy_datagram::SCENARIO,
    forged_names::SCENARIO,
    dns_tunnel::SCENARIO,
    resolver_tunnel::SCENARIO,
    early_connection::SCENARIO,
    self_connection::SCENARIO,
    early_unix_connection::SCENARIO,
    sendfile_unix::SCENARIO,
    splice_unix::SCENARIO,
    agent_signalled::SCENARIO,
    agent_limited::SCENARIO,
    agent_deprived::SCENARIO,
    agent_oom_score::SCENARIO,
    agent_frozen::SCENARIO,
    agent_traced::SCENARIO,
    agent_pins::SCENARIO,
    pins_renamed::SCENARIO,
    pins_folder_removed::SCENARIO,
    agent_socket::SCENARIO,
    bpf_call::SCENARIO,
    agent_stopped::SCENARIO,
    agent_killed::SCENARIO,
    agent_starved::SCENARIO,
    rings_full::SCENARIO,
    fork_storm::SCENARIO,
    clock_set_back::SCENARIO,
    device_reused::SCENARIO,
    cgroup_again::SCENARIO,
];
