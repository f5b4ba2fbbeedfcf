//! Conditions of rules: the part of CEL (Common Expression Language, github.com/google/cel-spec) that needs no more than a
//! bounded time and knows its types before it runs. Parsed by the crate `cel`; types, cost and evaluation are ours, because
//! what is not known of an event must stay unknown and never be taken for `false`.

mod check;
mod eval;

use std::fmt;

pub use check::{COST_MAX, TEXT_MAX};
pub use eval::{Cut, Truth, Value, Values};

use check::Checked;

/// The type of a field or of a part of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// Texts.
    Texts,
}

impl Type {
    /// What CEL calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Text => "string",
            Self::Texts => "list(string)",
        }
    }
}

/// Something that a condition can ask an event for.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, with dots.
    pub name: &'static str,
    /// Its type.
    pub of: Type,
    /// The words that it may be, where these are all; a comparison with another one is a mistake.
    pub words: Option<&'static [&'static str]>,
    /// What it says, for the rule reference.
    pub what: &'static str,
}

/// A mistake in a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line within the condition, from 0.
    pub line: usize,
    /// Character within the line, from 0.
    pub column: usize,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line + 1, self.column + 1, self.reason)
    }
}

/// A condition whose types fit. Fields are known by their number in the list that it was checked against.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    root: Checked,
    asked: Vec<usize>,
}

impl Condition {
    /// Parses and checks a condition on an event that has these fields.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str, fields: &[Field]) -> Result<Self, Mistake> {
        let (root, asked) = check::check(text, fields)?;
        Ok(Self { text: text.to_owned(), root, asked })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it asks for the field with this number.
    pub fn asks(&self, field: usize) -> bool {
        self.asked.contains(&field)
    }

    /// What it says of an event.
    ///
    /// # Errors
    /// If it takes more steps than it may: texts of an event can be long.
    pub fn holds(&self, values: &impl Values) -> Result<Truth, Cut> {
        eval::holds(&self.root, values)
    }
}
