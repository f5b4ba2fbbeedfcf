//! All scenarios, in the order in which they play.

mod bench;
mod binaries;
mod environ;
mod files;
mod identity;
mod memory;
mod net;
mod ways;

use crate::stage::Scenario;

/// Every scenario.
pub const ALL: &[&[Scenario]] =
    &[bench::ALL, files::ALL, ways::ALL, environ::ALL, memory::ALL, net::ALL, binaries::ALL, identity::ALL];
