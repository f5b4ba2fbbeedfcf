//! What was measured, told line by line: `bench: {…}`, for `cargo xtask bench` to read.

use anyhow::{Context, Result};
use serde::Serialize;

/// Starts each line that tells a figure.
const MARK: &str = "bench: ";

/// One measured thing.
#[derive(Debug, Serialize)]
struct Figure<'a> {
    group: &'a str,
    name: &'a str,
    unit: &'a str,
    value: f64,
    /// The same without the agent, measured before, between and after.
    #[serde(skip_serializing_if = "<[f64]>::is_empty")]
    without: &'a [f64],
}

/// A text that explains figures.
#[derive(Debug, Serialize)]
struct Note<'a> {
    group: &'a str,
    name: &'a str,
    note: &'a str,
}

/// Tells of one experiment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Its name.
    pub(crate) group: &'static str,
}

impl Figures {
    /// A figure by itself.
    pub(crate) fn tell(self, name: &str, unit: &str, value: f64) -> Result<()> {
        self.compare(name, unit, value, &[])
    }

    /// A figure with the agent, and without it.
    pub(crate) fn compare(self, name: &str, unit: &str, value: f64, without: &[f64]) -> Result<()> {
        line(&Figure { group: self.group, name, unit, value, without })
    }

    /// A text.
    pub(crate) fn note(self, name: &str, note: &str) -> Result<()> {
        line(&Note { group: self.group, name, note })
    }
}

fn line(value: &impl Serialize) -> Result<()> {
    println!("{MARK}{}", serde_json::to_string(value).context("writing a figure")?);
    Ok(())
}

/// Says what is being done; for anything that takes longer than a moment.
pub(crate) fn progress(what: &str) {
    println!("load: {what}");
}
