//! The writing half. One [`Journal`] per directory; everything here happens on the caller's thread.

mod access;
mod attempt;
mod audit;
mod batch;
mod boot;
mod connection;
mod coverage;
mod detection;
mod earlier;
mod intern;
mod journal;
mod open;
mod place;
mod process;
mod quota;
mod reserve;
mod retention;
mod roll;
mod secret;
mod told;
mod usage;
mod workload;

pub use journal::Journal;
pub use told::{Committed, Notice, ShedCause, Status};

pub(crate) use workload::{COLUMNS as VERSION_COLUMNS, Version};
