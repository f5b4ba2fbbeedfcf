//! Secrets as files, under whatever name.

mod bind_mount;
mod configured_tree;
mod folders_and_paths;
mod hard_link;
mod plain_read;
mod proc_self_fd;
mod proc_self_root;
mod refused_by_permissions;
mod rename;
mod replaced;
mod rotation;
mod run_secrets;
mod same_device_number;
mod sub_path;
mod symbolic_link;
mod token_companions;
mod writing;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    plain_read::SCENARIO,
    symbolic_link::SCENARIO,
    hard_link::SCENARIO,
    rename::SCENARIO,
    replaced::SCENARIO,
    bind_mount::SCENARIO,
    proc_self_root::SCENARIO,
    proc_self_fd::SCENARIO,
    rotation::SCENARIO,
    same_device_number::SCENARIO,
    token_companions::SCENARIO,
    run_secrets::SCENARIO,
    sub_path::SCENARIO,
    configured_tree::SCENARIO,
    writing::SCENARIO,
    folders_and_paths::SCENARIO,
    refused_by_permissions::SCENARIO,
];
