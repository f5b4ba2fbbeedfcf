//! Policies in force, whatever happens to the agent; and what takes hold without a policy.

mod agent_gone;
mod bad_input;
mod configured;
mod confirm_within;
mod contain_credential;
mod cut_off;
mod exception_expires;
mod exclusive;
mod hammer;
mod isolate;
mod kit;
mod late_bind;
mod posed_as_accepted;
mod read_while_assigned;
mod reply_to_older;
mod roll_out;
mod upgrade;
mod volume_gone;
mod weaker;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    configured::SCENARIO,
    contain_credential::SCENARIO,
    cut_off::SCENARIO,
    exception_expires::SCENARIO,
    confirm_within::SCENARIO,
    exclusive::SCENARIO,
    isolate::SCENARIO,
    late_bind::SCENARIO,
    reply_to_older::SCENARIO,
    posed_as_accepted::SCENARIO,
    read_while_assigned::SCENARIO,
    roll_out::SCENARIO,
    bad_input::SCENARIO,
    agent_gone::SCENARIO,
    hammer::SCENARIO,
    upgrade::SCENARIO,
    weaker::SCENARIO,
    volume_gone::SCENARIO,
];
