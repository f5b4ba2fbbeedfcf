//! Files of policies and rules: each value that may be wrong with its place.

pub mod duration;

use std::borrow::Cow;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_saphyr::{Location, Spanned};

use crate::{Refusal, Refused};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Place,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { value, at: Place { line: referenced.line(), column: referenced.column() } })
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// The documents of a file.
///
/// # Errors
/// If its text is not what it must be; with the place.
pub fn documents<D: DeserializeOwned>(file: &Path, text: &str) -> Result<Vec<D>, Refused> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let at = error.location().filter(|at| *at != Location::UNKNOWN);
        let message = error.to_string();
        // The place stands in front of our message already.
        let reason = match message.rsplit_once(" at line ") {
            Some((message, _)) => remedied(message),
            None => remedied(&message),
        };
        let at = at.map(|at| Place { line: at.line(), column: at.column() });
        Refused(vec![Refusal { file: file.to_owned(), at, field: None, reason }])
    })
}

/// What the reader of YAML says, with what to do about the usual mistakes.
fn remedied(message: &str) -> String {
    const REMEDIES: &[(&str, &str)] = &[
        ("expected sequence start", "; a list stands in brackets, for example [ 5432 ]"),
        ("did not find expected key", "; is the line indented as the one before?"),
        ("anchor or alias", "; write globs in quotes, for example \"*\""),
        ("missing field `readers`", "; write the programs, or `any`"),
        ("missing field `expires`", "; write for example 2026-12-01T00:00:00Z"),
    ];
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        let key = key.split(',').next().unwrap_or(key);
        return format!("`{key}` stands here twice; a line `---` separates two documents");
    }
    let remedy = REMEDIES.iter().find(|(mistake, _)| message.contains(mistake));
    format!("{message}{}", remedy.map_or("", |(_, remedy)| remedy))
}
