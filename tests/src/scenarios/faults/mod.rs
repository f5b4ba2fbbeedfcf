//! What must never happen, what is refused, and what the agent lives through.

mod bad_configuration;
mod bad_questions;
mod canary;
mod disk_full;
mod disk_full_for_long;
mod journal_corrupt;
mod journal_corrupt_while_written;
mod no_btf;
mod no_cgroups;
mod no_runtime;
mod not_dumpable;
mod not_root;
mod runtime_comes_and_goes;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    bad_configuration::SCENARIO,
    bad_questions::SCENARIO,
    not_root::SCENARIO,
    no_btf::SCENARIO,
    no_cgroups::SCENARIO,
    not_dumpable::SCENARIO,
    canary::SCENARIO,
    journal_corrupt::SCENARIO,
    journal_corrupt_while_written::SCENARIO,
    disk_full::SCENARIO,
    disk_full_for_long::SCENARIO,
    no_runtime::SCENARIO,
    runtime_comes_and_goes::SCENARIO,
];
