//! What must never happen, and what is refused.

mod bad_configuration;
mod canary;
mod not_dumpable;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[bad_configuration::SCENARIO, not_dumpable::SCENARIO, canary::SCENARIO];
