//! The policies of `profiles/policies`, as they are shipped: an ordinary instance of the workload runs undisturbed, and
//! an attack is stopped. Only lines that a user is to edit are edited.

mod batch_job;
mod break_glass;
mod ci_job;
mod database_client;
mod kit;
mod metadata_service;
mod service_account_token;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    metadata_service::SCENARIO,
    service_account_token::SCENARIO,
    ci_job::SCENARIO,
    database_client::SCENARIO,
    batch_job::SCENARIO,
    break_glass::SCENARIO,
];
