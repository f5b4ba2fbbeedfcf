//! Policies in force, whatever happens to the agent; and what takes hold without a policy.

mod contain_credential;
mod cut_off;
mod hammer;
mod kit;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] =
    &[contain_credential::SCENARIO, cut_off::SCENARIO, hammer::SCENARIO];
