//! What the rules that are built in find of real containers, and what they say nothing of.

mod denied_again_and_again;
mod descriptor_of_another;
mod foreign_environment;
mod ordinary;
mod read_in_exec_session;
mod read_then_new_destination;
mod reader_not_of_the_image;
mod remembered;
mod secret_sweep;
mod unexpected_reader;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    unexpected_reader::SCENARIO,
    secret_sweep::SCENARIO,
    foreign_environment::SCENARIO,
    read_then_new_destination::SCENARIO,
    read_in_exec_session::SCENARIO,
    reader_not_of_the_image::SCENARIO,
    descriptor_of_another::SCENARIO,
    denied_again_and_again::SCENARIO,
    remembered::SCENARIO,
    ordinary::POSTGRESQL,
    ordinary::NGINX,
    ordinary::PYTHON,
    ordinary::NODE,
];
