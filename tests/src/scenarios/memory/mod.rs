//! Memory and descriptors of other processes.

mod another_container;
mod descriptor_taken;
mod process_vm_readv;
mod ptrace;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] =
    &[process_vm_readv::SCENARIO, ptrace::SCENARIO, another_container::SCENARIO, descriptor_taken::SCENARIO];
