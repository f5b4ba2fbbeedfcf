//! Evidence of one line.

use std::collections::BTreeSet;
use std::fmt;

use cofferdam_model::{Span, WallTime};

use super::yaml::comment;

/// Names that one line tells.
const NAMES: usize = 4;

/// When, how often and by whom something was seen.
#[derive(Debug, Default, Clone)]
pub(super) struct Evidence {
    span: Option<Span>,
    by: BTreeSet<String>,
}

impl Evidence {
    pub(super) fn seen(&mut self, span: Span, by: &str) {
        self.add(span);
        self.by(by);
    }

    pub(super) fn add(&mut self, span: Span) {
        self.span = Some(self.span.map_or(span, |known| known.with(span)));
    }

    pub(super) fn by(&mut self, name: &str) {
        if !name.is_empty() {
            self.by.insert(name.to_owned());
        }
    }

    pub(super) fn with(&mut self, other: &Self) {
        other.span.into_iter().for_each(|span| self.add(span));
        self.by.extend(other.by.iter().cloned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.span.is_none() && self.by.is_empty()
    }

    /// `12 times, 2026-11-22 05:00:12 to 2026-11-23 07:00:00 UTC, by /app/server`.
    pub(super) fn told(&self, by: &str) -> String {
        let mut text = match self.span {
            Some(span) => span_told(span),
            None => "seen".to_owned(),
        };
        if !self.by.is_empty() {
            text += &format!(", {by} {}", names(&self.by));
        }
        text
    }
}

fn span_told(span: Span) -> String {
    match span.count {
        1 => format!("once, {} UTC", seconds(span.last)),
        count => format!("{count} times, {} to {} UTC", seconds(span.first), seconds(span.last)),
    }
}

pub(super) fn names(names: &BTreeSet<String>) -> String {
    let mut told: Vec<String> = names.iter().take(NAMES).map(|name| comment(name)).collect();
    if names.len() > NAMES {
        told.push(format!("{} more", names.len() - NAMES));
    }
    told.join(", ")
}

/// To the second.
pub(super) fn seconds(time: WallTime) -> impl fmt::Display {
    let text = time.to_string();
    text.get(..19).map_or_else(|| text.clone(), |text| text.replacen('T', " ", 1))
}
