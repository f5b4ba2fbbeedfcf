//! A step's arguments.

use std::str::FromStr;

use nix::errno::Errno;

use super::Refused;

/// The words after a step's name.
pub(super) struct Given<'a> {
    words: &'a [String],
}

impl<'a> Given<'a> {
    pub(super) fn new(words: &'a [String]) -> Self {
        Self { words }
    }

    /// The word at this place; `what` names it when it is missing.
    pub(super) fn text(&self, place: usize, what: &str) -> Result<&'a str, Refused> {
        self.words.get(place).map(String::as_str).ok_or_else(|| senseless(format!("no {what} was given")))
    }

    /// The word at this place as a number or address.
    pub(super) fn parsed<T: FromStr>(&self, place: usize, what: &str) -> Result<T, Refused> {
        let text = self.text(place, what)?;
        text.parse().map_err(|_| senseless(format!("`{text}` is no {what}")))
    }

    /// As [`Self::text`], if it was given.
    pub(super) fn optional(&self, place: usize) -> Option<&'a str> {
        self.words.get(place).map(String::as_str)
    }

    /// All words from this place on.
    pub(super) fn rest(&self, place: usize) -> &'a [String] {
        self.words.get(place..).unwrap_or_default()
    }
}

/// A step that cannot be taken as it was asked for.
pub(super) fn senseless(doing: String) -> Refused {
    Refused { doing, errno: Errno::EINVAL }
}
