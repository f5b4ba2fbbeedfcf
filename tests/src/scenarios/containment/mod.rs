//! Policies in force, whatever happens to the agent.

mod configured;
mod hammer;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[configured::SCENARIO, hammer::SCENARIO];
