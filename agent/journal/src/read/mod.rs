//! The reading half: questions become seeks in the segments, rows of one counter are put together again, and each
//! answer says how complete it is.

mod access;
mod attempt;
mod audit;
mod completeness;
mod connection;
mod counter;
mod coverage;
mod detection;
mod evidence;
mod library;
mod loss;
mod names;
mod pattern;
mod process;
mod question;
mod reader;
mod records;
mod secret;
mod workload;

pub use evidence::Evidence;
pub use reader::{Denials, Entry, Reader, RowId, Timeline};
pub use records::Chapter;
