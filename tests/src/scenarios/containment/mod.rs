//! Policies in force, whatever happens to the agent.

mod hammer;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[hammer::SCENARIO];
