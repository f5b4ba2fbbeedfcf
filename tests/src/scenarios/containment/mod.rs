//! Policies in force, whatever happens to the agent.

mod hammer;
mod upgrade;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[hammer::SCENARIO, upgrade::SCENARIO];
