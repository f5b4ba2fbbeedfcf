//! Which workload it was.

mod child_of_an_exec_session;
mod exec_session;
mod host;
mod late;
mod migration;
mod nested_cgroup;
mod pod_cgroup;
mod process_tree;
mod short_life;
mod thread;
mod user;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    exec_session::SCENARIO,
    child_of_an_exec_session::SCENARIO,
    short_life::SCENARIO,
    late::SCENARIO,
    pod_cgroup::SCENARIO,
    nested_cgroup::SCENARIO,
    migration::SCENARIO,
    user::SCENARIO,
    thread::SCENARIO,
    host::SCENARIO,
    process_tree::SCENARIO,
];
