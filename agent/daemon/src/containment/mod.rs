//! Containment: from the policies and orders in force to what the kernel holds for each workload.

pub mod answer;
pub mod binaries;
pub mod cut;
mod disk;
pub mod ending;
pub mod enforcer;
mod exceptions;
mod explain;
pub mod guarding;
pub mod held;
pub mod home;
pub mod hosts;
pub mod inside;
pub mod names;
pub mod orders;
pub mod store;
pub mod told;
mod undone;
pub mod wall;

pub use enforcer::Enforcer;
pub use store::Store;
