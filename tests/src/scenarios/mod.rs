//! All scenarios, in the order in which they play.

mod attacks;
mod bench;
mod binaries;
mod bypass;
mod containment;
mod detections;
mod environ;
mod faults;
mod files;
mod identity;
mod life;
mod memory;
mod net;
mod pods;
mod shipped;
mod ways;

use crate::stage::Scenario;

/// Every scenario.
pub const ALL: &[&[Scenario]] = &[
    bench::ALL,
    files::ALL,
    ways::ALL,
    environ::ALL,
    memory::ALL,
    net::ALL,
    binaries::ALL,
    identity::ALL,
    pods::ALL,
    bypass::ALL,
    containment::ALL,
    detections::ALL,
    shipped::ALL,
    life::ALL,
    attacks::ALL,
    faults::ALL,
];
