//! The configuration file. Unknown fields and impossible values are refused with their place; nothing is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_inventory::environment::CredentialNames;
use cofferdam_sensor::Budgets;
use serde::Deserialize;
use serde_saphyr::Location;

/// What `cofferdamd` was configured to do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// Secrets besides those that are found.
    pub secrets: Vec<ConfiguredSecret>,
    /// Environment variables that carry credentials.
    pub environment: Environment,
    /// The journal's bounds.
    pub journal: Journal,
    /// Container runtimes.
    pub runtimes: Runtimes,
    /// Bounds of what one workload may cause.
    pub limits: Limits,
}

/// This node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    /// Its name; the host name unless given.
    pub name: Option<String>,
    /// The cluster that it belongs to.
    pub cluster: Option<String>,
}

/// A secret that is not found by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfiguredSecret {
    /// By which name it is reported.
    pub name: String,
    /// A file, a mount or a folder.
    pub path: PathBuf,
}

/// Environment variables that carry credentials.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// Globs of their names; a list of common ones unless given.
    pub names: Option<Vec<String>>,
}

/// The journal's bounds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// How long rows are kept: `7d`, `12h`.
    pub retain: Option<String>,
    /// How much room they may take: `1GiB`, `500MB`.
    pub max_size: Option<String>,
}

/// Container runtimes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtimes {
    /// CRI socket; the usual places are tried unless given.
    pub cri_socket: Option<PathBuf>,
}

/// Bounds of what one workload may cause.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// First events (a program's first touch of a secret or destination) that are itemised in a second; the rest is
    /// counted.
    pub first_events_per_second: u64,
    /// Forks and execs that are itemised in a second; the rest is counted.
    pub process_events_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { first_events_per_second: 1_000, process_events_per_second: 10_000 }
    }
}

impl Limits {
    /// For the kernel.
    pub fn budgets(&self) -> Budgets {
        Budgets { firsts: self.first_events_per_second, beginnings: self.process_events_per_second }
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no YAML, or not of this form.
    #[error("{path}:{line}:{column}: {message}")]
    Malformed {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What is wrong.
        message: String,
    },
    /// A value makes no sense.
    #[error("{path}:{line}: {field}: {message}")]
    Value {
        /// File.
        path: PathBuf,
        /// Line of the value's text, from 1.
        line: u64,
        /// Field.
        field: String,
        /// What is wrong.
        message: String,
    },
}

/// A configuration whose values have been understood.
#[derive(Debug)]
pub struct Checked {
    /// As written.
    pub config: Config,
    /// Bounds of the journal.
    pub journal: cofferdam_journal::Config,
    /// Names of variables that carry credentials.
    pub credential_names: CredentialNames,
    /// Name of this node.
    pub node: String,
}

impl Config {
    /// Reads, parses and checks a file.
    ///
    /// # Errors
    /// With file, line and field, and nothing of the file's text but the offending field.
    pub fn load(path: &Path) -> Result<Checked, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Checked, ConfigError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let config: Self = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let at = error.location().unwrap_or(Location::UNKNOWN);
            let message = error.to_string();
            // The place stands in front of our message already.
            let message = match message.rsplit_once(" at line ") {
                Some((message, _)) => message.to_owned(),
                None => message,
            };
            ConfigError::Malformed { path: path.to_owned(), line: at.line(), column: at.column(), message }
        })?;
        config.check(text, path)
    }

    fn check(self, text: &str, path: &Path) -> Result<Checked, ConfigError> {
        let wrong = |field: &str, given: &str, message: String| ConfigError::Value {
            path: path.to_owned(),
            line: text.lines().position(|line| line.contains(given)).map_or(1, |index| index as u64 + 1),
            field: field.to_owned(),
            message,
        };
        let mut journal = cofferdam_journal::Config::default();
        if let Some(given) = &self.journal.retain {
            journal.retain = duration(given).ok_or_else(|| {
                wrong(
                    "journal.retain",
                    given,
                    format!("`{given}` is no duration; write for example 7d, 12h or 30m"),
                )
            })?;
        }
        if let Some(given) = &self.journal.max_size {
            journal.max_size = size(given).ok_or_else(|| {
                wrong(
                    "journal.max_size",
                    given,
                    format!("`{given}` is no size; write for example 1GiB or 500MB"),
                )
            })?;
            if journal.max_size < cofferdam_journal::MIN_SIZE {
                let least = cofferdam_journal::MIN_SIZE >> 20;
                return Err(wrong(
                    "journal.max_size",
                    given,
                    format!("`{given}` is less than the least size, {least}MiB"),
                ));
            }
        }
        let mut seen = std::collections::HashSet::new();
        for secret in &self.secrets {
            let place = secret.path.display().to_string();
            if !secret.path.is_absolute() {
                return Err(wrong("secrets.path", &place, format!("`{place}` is not an absolute path")));
            }
            if let Err(error) = fs::symlink_metadata(&secret.path) {
                return Err(wrong("secrets.path", &place, format!("{place}: {error}")));
            }
            if !seen.insert(&secret.path) {
                return Err(wrong("secrets.path", &place, format!("{place} is named twice")));
            }
        }
        let credential_names = match &self.environment.names {
            Some(names) => CredentialNames::configured(names),
            None => CredentialNames::defaults(),
        }
        .map_err(|error| wrong("environment.names", "names", error.to_string()))?;
        let Limits { first_events_per_second, process_events_per_second } = &self.limits;
        for (field, value) in [
            ("first_events_per_second", first_events_per_second),
            ("process_events_per_second", process_events_per_second),
        ] {
            if *value == 0 {
                return Err(wrong(&format!("limits.{field}"), field, "must be at least 1".into()));
            }
        }
        let node = self.node.name.clone().unwrap_or_else(host_name);
        Ok(Checked { config: self, journal, credential_names, node })
    }
}

fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}

/// `90s`, `30m`, `12h`, `7d`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.trim().split_at(text.trim().find(|c: char| !c.is_ascii_digit())?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?)).filter(|it| !it.is_zero())
}

/// `512MiB`, `1GiB`, `500MB`, or bytes.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Checked, String> {
        Config::parse(text, Path::new("c.yaml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_contract_s_example_is_understood() {
        let text = "node: { name: worker-1, cluster: prod }\nsecrets:\n  - { name: payments/db-password, path: /etc/hostname }\nenvironment: { names: [\"*_TOKEN\", \"*PASSWORD*\"] }\njournal: { retain: 7d, max_size: 1GiB }\n";
        let checked = parse(text).unwrap();
        assert_eq!(checked.node, "worker-1");
        assert_eq!(checked.journal.max_size, 1 << 30);
        assert_eq!(checked.journal.retain, Duration::from_hours(168));
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_place() {
        let error = parse("node:\n  name: a\n  clstr: b\n").unwrap_err();
        assert!(error.starts_with("c.yaml:3:3: ") && error.contains("unknown field `clstr`"), "{error}");
    }

    #[test]
    fn malformed_yaml_is_refused_with_its_place_and_nothing_of_its_text() {
        let error = parse("node: {}\ncanary-8c1f: [").unwrap_err();
        assert!(error.starts_with("c.yaml:2:"), "{error}");
    }

    #[test]
    fn a_secret_path_that_does_not_exist_is_refused_with_its_line() {
        let error = parse("node: {}\nsecrets:\n  - name: a\n    path: /does/not/exist\n").unwrap_err();
        assert!(error.starts_with("c.yaml:4: secrets.path: /does/not/exist: No such file"), "{error}");
    }

    #[test]
    fn impossible_bounds_are_refused() {
        assert!(parse("journal: { retain: soon }").unwrap_err().contains("journal.retain"));
        assert!(parse("journal: { max_size: 1KiB }").unwrap_err().contains("least size"));
        assert!(parse("limits: { first_events_per_second: 0 }").is_err());
    }

    #[test]
    fn an_empty_file_is_a_configuration() {
        assert!(parse("").is_ok());
    }
}
