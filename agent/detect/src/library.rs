//! Rules from files: those that are built in, those of a node, and which of them run.

use std::path::{Path, PathBuf};

use cofferdam_policy::Refusal;

use crate::parse;
use crate::rule::Rule;

/// The files of `profiles/detections`.
const SHIPPED: [(&str, &str); 8] = [
    ("denied-again-and-again.yaml", include_str!("../../../profiles/detections/denied-again-and-again.yaml")),
    ("descriptor-of-another.yaml", include_str!("../../../profiles/detections/descriptor-of-another.yaml")),
    ("foreign-environment.yaml", include_str!("../../../profiles/detections/foreign-environment.yaml")),
    ("read-in-exec-session.yaml", include_str!("../../../profiles/detections/read-in-exec-session.yaml")),
    (
        "read-then-new-destination.yaml",
        include_str!("../../../profiles/detections/read-then-new-destination.yaml"),
    ),
    (
        "reader-not-of-the-image.yaml",
        include_str!("../../../profiles/detections/reader-not-of-the-image.yaml"),
    ),
    ("secret-sweep.yaml", include_str!("../../../profiles/detections/secret-sweep.yaml")),
    ("unexpected-reader.yaml", include_str!("../../../profiles/detections/unexpected-reader.yaml")),
];

/// The rules that there are.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// By name.
    entries: Vec<Entry>,
    refusals: Vec<Refusal>,
}

/// A rule and where it is from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The rule.
    pub rule: Rule,
    /// Its file; `None`: it is built in.
    pub file: Option<PathBuf>,
}

impl Library {
    /// The rules that are built in.
    pub fn shipped() -> Self {
        let mut library = Self::default();
        SHIPPED.iter().for_each(|(name, text)| library.read(Path::new(name), text, None));
        library
    }

    /// Adds a file's rules. One of the name of a built-in rule takes its place; what is wrong with one keeps no other from
    /// running.
    pub fn add(&mut self, file: &Path, text: &str) {
        self.read(file, text, Some(file));
    }

    /// By name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is wrong with files.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    fn read(&mut self, file: &Path, text: &str, from: Option<&Path>) {
        match parse(file, text) {
            Ok(rules) => rules.into_iter().for_each(|rule| match rule {
                Ok(rule) => self.put(rule, from),
                Err(refused) => self.refusals.extend(refused.0),
            }),
            Err(refused) => self.refusals.extend(refused.0),
        }
    }

    fn put(&mut self, rule: Rule, from: Option<&Path>) {
        let entry = Entry { rule, file: from.map(Path::to_owned) };
        match self.entries.binary_search_by(|it| it.rule.name.cmp(&entry.rule.name)) {
            Ok(at) if self.entries[at].file.is_none() => self.entries[at] = entry,
            Ok(at) => {
                let taken = self.entries[at].file.as_deref().unwrap_or(Path::new("")).display();
                let reason = format!("{} is in {taken} already: this one does not run", entry.rule.name);
                self.refusals.push(Refusal {
                    file: entry.file.unwrap_or_default(),
                    at: Some(entry.rule.at),
                    field: Some("metadata.name".to_owned()),
                    reason,
                });
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }
}
