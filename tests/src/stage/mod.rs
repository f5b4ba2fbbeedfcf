//! Where scenarios play: an agent, containers, secrets, and what the agent must say of what they do.

mod access;
mod connection;
mod difference;
mod ledger;
mod scenario;
mod steps;
mod theatre;

pub use access::{AccessWanted, access};
pub use connection::{ConnectionWanted, connection};
pub use ledger::Ledger;
pub use scenario::{Expected, PerTier, Play, Scenario};
pub use steps::Went;
pub use theatre::{Stage, Theatre};
