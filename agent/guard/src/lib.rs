//! The guard: holds the fanotify group on kernels that deny opens of secrets no other way.
//!
//! The kernel holds back every open of a marked file until the guard has answered. The guard asks the rules (a program
//! in the kernel, handed over by the agent) and passes on what they say; it reads no file, opens nothing that could be
//! marked, and allocates nothing on the way. It outlives the agent: the marks, the program and its tables stay until a
//! new agent comes. When the guard itself ends, the kernel lets every open pass.

pub mod client;
mod group;
mod harden;
mod judge;
mod program;
mod protocol;
mod serve;
mod wire;

pub use client::{Client, ClientError};
pub use group::Group;
pub use harden::{Hardened, harden};
pub use program::Program;
pub use protocol::{Marked, State, VERSION, What};
pub use serve::{Guard, ServeError};

/// Where the guard listens unless it is told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/cofferdam/guard.sock";
