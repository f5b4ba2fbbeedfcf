//! The agent's own life: it comes late, dies, stops, is flooded.

mod agent_ends;
mod agent_killed;
mod agent_started_later;
mod boot;
mod budget;
mod copied_journal;
mod detached;
mod events_by_hook;
mod rings_overflow;
mod service_manager;
mod systemd_unit;
mod two_agents;
mod unload_asked;
mod unloaded;
mod watch;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    agent_started_later::SCENARIO,
    agent_killed::SCENARIO,
    agent_ends::SCENARIO,
    rings_overflow::SCENARIO,
    budget::SCENARIO,
    two_agents::SCENARIO,
    copied_journal::SCENARIO,
    unloaded::SCENARIO,
    unload_asked::SCENARIO,
    watch::SCENARIO,
    events_by_hook::SCENARIO,
    detached::SCENARIO,
    service_manager::SCENARIO,
    boot::SCENARIO,
    systemd_unit::SCENARIO,
];
