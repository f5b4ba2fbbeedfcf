//! Real containers, secrets, listeners and agents, made for a test and gone after it, also when the test fails.
//!
//! Everything of a run lies in one folder ([`Place`]) and below one cgroup of the same name; whatever an aborted run
//! left behind is found by these names and taken away at the start of the next.

pub mod agent;
pub mod answers;
mod binaries;
mod bundle;
mod cgroups;
mod clock;
mod command;
pub mod container;
mod hog;
pub mod image;
mod impostor;
pub mod interrupt;
pub mod listener;
mod mounts;
pub mod order;
mod place;
pub mod policy;
mod postgres;
mod random;
pub mod secret;
mod sweep;
pub mod tap;
pub mod unit;
mod vault;
pub mod wait;
mod world;

pub use agent::{Agent, AgentOptions, Build};
pub use binaries::binary;
pub use clock::ClockBehind;
pub use container::{Container, ContainerBuilder, ExecSession, Helper};
pub use hog::Hog;
pub use image::Image;
pub use impostor::Impostor;
pub use listener::Listener;
pub use mounts::Mounted;
pub use order::Order;
pub use place::Place;
pub use policy::Policy;
pub use postgres::Postgres;
pub use secret::Secret;
pub use tap::Tap;
pub use vault::Vault;
pub use wait::{Look, until};
