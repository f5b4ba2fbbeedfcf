//! What each hook does, one file a concern.

pub mod attempt;
pub mod cgroup;
pub mod environ;
pub mod exec;
pub mod file;
pub mod guard;
pub mod net;
pub mod packet;
pub mod protect;
pub mod query;
mod repeat;
pub mod socket;
pub mod syscalls;
pub mod unix;
