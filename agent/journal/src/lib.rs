//! The node's own log. [`Journal`] takes batches of records and keeps them in SQLite, one file per stretch of time;
//! [`Reader`] answers questions about them, also on a copy of the directory and while it is being written.
//!
//! What never happens here: a value of a secret is never stored (there is no column for one), a committed batch is
//! never taken back by a kill, a corrupt file is never written again, and no answer hides what is missing from it.

#![forbid(unsafe_code)]

mod codec;
mod config;
mod db;
mod error;
mod read;
mod segment;
mod write;

pub use config::{Config, MIN_SIZE};
pub use error::Error;
pub use read::{Chapter, Denials, Entry, Evidence, Reader, RowId, Timeline};
pub use write::{Committed, Journal, Notice, ShedCause, Status};
