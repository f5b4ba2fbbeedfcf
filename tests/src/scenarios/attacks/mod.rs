//! What an attacker does against the agent itself: to hold it up, to flood it, to make it watch the wrong thing.

mod flood_of_environments;
mod flood_of_processes;
mod flood_of_secrets;
mod impostor_runtime;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    impostor_runtime::SCENARIO,
    flood_of_environments::SCENARIO,
    flood_of_secrets::SCENARIO,
    flood_of_processes::SCENARIO,
];
