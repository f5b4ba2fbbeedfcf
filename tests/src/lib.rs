//! Scenarios on real containers: what a process of a container does, and what the agent must say of it.
//!
//! [`actor`] runs inside containers and is the only part with `unsafe`; [`bench`] makes containers, secrets, listeners
//! and agents and takes them away again, [`cri_pod`] makes pods; on a [`stage`] the [`scenarios`] play, which tell what
//! must happen, tier by tier. Those of the group `bypass` are techniques of attackers, see [`bypass`].

pub mod actor;
pub mod bench;
pub mod bypass;
pub mod cri_pod;
pub mod scenarios;
pub mod stage;
