//! What each hook does, one file a concern.

pub mod cgroup;
pub mod environ;
pub mod exec;
pub mod file;
pub mod net;
pub mod query;
mod repeat;
pub mod syscalls;
