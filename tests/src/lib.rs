//! Scenarios on real containers: what a process of a container does, and what the agent must say of it.
//!
//! [`actor`] runs inside containers and is the only part with `unsafe`; [`bench`] makes containers, secrets, listeners
//! and agents and takes them away again, [`cri_pod`] makes pods; on a [`stage`] the [`scenarios`] play, which tell what must happen, tier by
//! tier.

pub mod actor;
pub mod bench;
pub mod cri_pod;
pub mod scenarios;
pub mod stage;
