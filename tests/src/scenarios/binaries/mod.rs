//! Which program it was.

mod bound_over;
mod deleted;
mod image;
mod memfd;
mod one_after_the_other;
mod replaced;
mod script;
mod volume;
mod written;

use crate::stage::Scenario;

pub(super) const ALL: &[Scenario] = &[
    image::SCENARIO,
    written::SCENARIO,
    replaced::SCENARIO,
    volume::SCENARIO,
    memfd::SCENARIO,
    deleted::SCENARIO,
    bound_over::SCENARIO,
    script::SCENARIO,
    one_after_the_other::SCENARIO,
];
