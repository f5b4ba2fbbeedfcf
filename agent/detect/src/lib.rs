//! Rules over a node's events. Pure: records in, detections out; no I/O, no clock of its own, bounded state.

#![forbid(unsafe_code)]

mod baseline;
pub mod condition;
mod document;
mod engine;
mod facts;
mod library;
mod parse;
mod place;
mod recent;
mod reference;
mod rule;
mod running;
mod stable;
pub mod words;
mod world;

pub use baseline::{Baseline, Habit};
pub use engine::{Counters, Engine, Limits};
pub use facts::Kind;
pub use library::{Entry, Library};
pub use parse::parse;
pub use reference::reference;
pub use rule::{By, Counted, More, Rule, Step};

/// The JSON schema of the file, made from the very types that read it.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(document::Document)
}
