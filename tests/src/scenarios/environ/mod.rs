//! Environments of processes.

mod another_container;
mod names;
mod of_a_thread;
mod other_files_of_processes;
mod own;
mod second_procfs;
mod sibling;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    own::SCENARIO,
    sibling::SCENARIO,
    another_container::SCENARIO,
    of_a_thread::SCENARIO,
    second_procfs::SCENARIO,
    other_files_of_processes::SCENARIO,
    names::SCENARIO,
];
