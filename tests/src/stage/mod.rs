//! Where scenarios play: an agent, containers, secrets, and what the agent must say of what they do.

mod access;
mod connection;
mod difference;
mod findings;
mod ledger;
mod props;
mod scenario;
mod steps;
mod theatre;
mod verdicts;

pub use access::{AccessWanted, access};
pub use connection::{ConnectionWanted, connection};
pub use ledger::Ledger;
pub use props::Stage;
pub use scenario::{Expected, PerTier, Play, Scenario, Subject};
pub use steps::Went;
pub use theatre::{LEARNING, Theatre};
pub use verdicts::listed;
