//! The configuration. Unknown fields and impossible values are refused with their place; nothing is started.

mod file;
mod units;

use std::collections::HashSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_inventory::environment::CredentialNames;
use cofferdam_inventory::volumes::ConfiguredSecret;
use cofferdam_sensor::Budgets;
use serde_saphyr::{Location, Spanned};

use crate::containment::enforcer::Baseline;
use crate::detections::Settings;

use file::File;

/// What a workload may send in a second, unless configured.
const DEFAULT_BUDGETS: Budgets = Budgets { firsts: 1_000, beginnings: 10_000 };

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

/// What `cofferdamd` was configured to do.
#[derive(Debug)]
pub struct Config {
    /// Name of this node.
    pub node: String,
    /// The cluster that it belongs to.
    pub cluster: Option<String>,
    /// Secrets besides those that are found.
    pub secrets: Vec<ConfiguredSecret>,
    /// Names of environment variables that carry credentials.
    pub credential_names: CredentialNames,
    /// Bounds of the journal.
    pub journal: cofferdam_journal::Config,
    /// CRI socket; the usual places are tried without one.
    pub cri_socket: Option<PathBuf>,
    /// What a workload may send in a second.
    pub budgets: Budgets,
    /// What a container may do while nothing is decided for it yet.
    pub baseline: Baseline,
    /// Resolvers that stay reachable; none: those of the node.
    pub resolvers: Vec<IpAddr>,
    /// Detection rules.
    pub detections: Settings,
}

impl Config {
    /// Reads, parses and checks a file.
    ///
    /// # Errors
    /// With file, line and field, and nothing of the file's text but the offending field.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let at = error.location().unwrap_or(Location::UNKNOWN);
            let message = error.to_string();
            // The place stands in front of our message already.
            let message = match message.rsplit_once(" at line ") {
                Some((message, _)) => message.to_owned(),
                None => message,
            };
            ConfigError::Malformed { path: path.to_owned(), line: at.line(), column: at.column(), message }
        })?;
        Self::check(file).map_err(|Wrong { line, field, message }| {
            let path = path.to_owned();
            ConfigError::Value { path, line, field: field.to_owned(), message }
        })
    }

    fn check(file: File) -> Result<Self, Wrong> {
        Ok(Self {
            node: file.node.name.unwrap_or_else(host_name),
            cluster: file.node.cluster,
            secrets: secrets(&file.secrets)?,
            credential_names: credential_names(&file.environment)?,
            journal: journal(&file.journal)?,
            cri_socket: file.runtimes.cri_socket,
            budgets: budgets(&file.limits)?,
            baseline: baseline(&file.policy)?,
            resolvers: resolvers(&file.policy)?,
            detections: detections(file.detections)?,
        })
    }
}

/// A value that makes no sense.
struct Wrong {
    line: u64,
    field: &'static str,
    message: String,
}

impl Wrong {
    fn new<T>(field: &'static str, value: &Spanned<T>, message: impl Into<String>) -> Self {
        Self { line: value.referenced.line(), field, message: message.into() }
    }
}

fn secrets(given: &[file::Secret]) -> Result<Vec<ConfiguredSecret>, Wrong> {
    const FIELD: &str = "secrets.path";
    let mut seen = HashSet::new();
    for file::Secret { path, .. } in given {
        let place = path.value.display();
        if !path.value.is_absolute() {
            return Err(Wrong::new(FIELD, path, format!("`{place}` is not an absolute path")));
        }
        exists(FIELD, path)?;
        if !seen.insert(&path.value) {
            return Err(Wrong::new(FIELD, path, format!("{place} is named twice")));
        }
    }
    let named = |secret: &file::Secret| ConfiguredSecret {
        name: secret.name.clone(),
        path: secret.path.value.clone(),
    };
    Ok(given.iter().map(named).collect())
}

fn exists(field: &'static str, path: &Spanned<PathBuf>) -> Result<(), Wrong> {
    let wrong = |error| Wrong::new(field, path, format!("{}: {error}", path.value.display()));
    fs::symlink_metadata(&path.value).map(drop).map_err(wrong)
}

fn credential_names(given: &file::Environment) -> Result<CredentialNames, Wrong> {
    const FIELD: &str = "environment.names";
    let Some(names) = &given.names else {
        return CredentialNames::defaults().map_err(|error| Wrong {
            line: 1,
            field: FIELD,
            message: error.to_string(),
        });
    };
    let all: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
    CredentialNames::configured(&all).map_err(|error| {
        let at = names.iter().find(|name| name.value == error.pattern);
        let line = at.map_or(1, |name| name.referenced.line());
        Wrong { line, field: FIELD, message: error.to_string() }
    })
}

fn journal(given: &file::Journal) -> Result<cofferdam_journal::Config, Wrong> {
    let mut journal = cofferdam_journal::Config::default();
    if let Some(retain) = &given.retain {
        journal.retain = duration("journal.retain", retain)?;
    }
    if let Some(given) = &given.max_size {
        let wrong = |message| Wrong::new("journal.max_size", given, message);
        let text = &given.value;
        journal.max_size = units::size(text)
            .ok_or_else(|| wrong(format!("`{text}` is no size; write for example 1GiB or 500MB")))?;
        if journal.max_size < cofferdam_journal::MIN_SIZE {
            let least = cofferdam_journal::MIN_SIZE >> 20;
            return Err(wrong(format!("`{text}` is less than the least size, {least}MiB")));
        }
    }
    Ok(journal)
}

fn duration(field: &'static str, given: &Spanned<String>) -> Result<Duration, Wrong> {
    units::duration(&given.value).ok_or_else(|| {
        let message = format!("`{}` is no duration; write for example 7d, 12h or 30m", given.value);
        Wrong::new(field, given, message)
    })
}

fn detections(given: file::Detections) -> Result<Settings, Wrong> {
    let mut settings = Settings { off: given.off, ..Settings::default() };
    if let Some(folder) = given.folder {
        // The usual place need not be there, whether it is named or not.
        if folder.value != settings.folder {
            exists("detections.folder", &folder)?;
        }
        settings.folder = folder.value;
    }
    if let Some(learning) = &given.learning {
        settings.learning = duration("detections.learning", learning)?;
    }
    Ok(settings)
}

fn budgets(given: &file::Limits) -> Result<Budgets, Wrong> {
    let Budgets { firsts, beginnings } = DEFAULT_BUDGETS;
    let field = "limits.first_events_per_second";
    let firsts = at_least_one(field, given.first_events_per_second.as_ref(), firsts)?;
    let field = "limits.process_events_per_second";
    let beginnings = at_least_one(field, given.process_events_per_second.as_ref(), beginnings)?;
    Ok(Budgets { firsts, beginnings })
}

fn baseline(given: &file::Policy) -> Result<Baseline, Wrong> {
    match given.pending.as_ref().map(|it| (it, it.value.as_str())) {
        None | Some((_, "observe")) => Ok(Baseline::Observe),
        Some((_, "deny")) => Ok(Baseline::Deny),
        Some((it, other)) => {
            Err(Wrong::new("policy.pending", it, format!("`{other}` is neither observe nor deny")))
        }
    }
}

fn resolvers(given: &file::Policy) -> Result<Vec<IpAddr>, Wrong> {
    let address = |it: &Spanned<String>| {
        let wrong = |_| Wrong::new("policy.resolvers", it, format!("`{}` is no IP address", it.value));
        it.value.parse().map_err(wrong)
    };
    given.resolvers.iter().map(address).collect()
}

fn at_least_one(field: &'static str, given: Option<&Spanned<u64>>, default: u64) -> Result<u64, Wrong> {
    match given {
        None => Ok(default),
        Some(zero) if zero.value == 0 => Err(Wrong::new(field, zero, "must be at least 1")),
        Some(budget) => Ok(budget.value),
    }
}

fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("c.yaml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_that_users_start_from_is_understood() {
        let readme = include_str!("../../../README.md");
        let (_, from) = readme.split_once("## Configuration\n\n```yaml\n").unwrap();
        let (text, _) = from.split_once("```").unwrap();
        let text = text.replace("/srv/payments/secrets", "/etc/hostname");
        let checked = parse(&text).unwrap();
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
    fn a_comment_or_another_field_with_the_same_text_is_not_taken_for_the_value() {
        let text = "# retain: soon\nnode: { name: soon }\njournal:\n  # soon, perhaps\n  retain: soon\n";
        assert!(parse(text).unwrap_err().starts_with("c.yaml:5: journal.retain: "));
        let text = "# [a\nenvironment:\n  names:\n    - A\n    - '[a'\n";
        assert!(parse(text).unwrap_err().starts_with("c.yaml:5: environment.names: "));
    }

    #[test]
    fn impossible_bounds_are_refused() {
        assert!(parse("journal: { retain: soon }").unwrap_err().contains("journal.retain"));
        assert!(parse("journal: { max_size: 1KiB }").unwrap_err().contains("least size"));
        assert!(parse("limits: { first_events_per_second: 0 }").is_err());
    }

    #[test]
    fn detections_are_configured_with_a_folder_that_is_there_and_a_time_that_is_one() {
        let text = "detections: { folder: /etc, off: [secret-sweep], learning: 2h }";
        let learning = Duration::from_hours(2);
        let off = vec!["secret-sweep".to_owned()];
        assert_eq!(parse(text).unwrap().detections, Settings { folder: "/etc".into(), off, learning });
        assert_eq!(parse("").unwrap().detections, Settings::default());
        let error = |text: &str| parse(text).unwrap_err();
        assert!(
            error("detections:\n  learning: soon\n")
                .starts_with("c.yaml:2: detections.learning: `soon` is no")
        );
        assert!(
            error("detections:\n  folder: /none\n")
                .starts_with("c.yaml:2: detections.folder: /none: No such")
        );
        assert!(error("detections:\n  rules: 1\n").starts_with("c.yaml:2:3: "));
    }

    #[test]
    fn an_empty_file_is_a_configuration() {
        assert!(parse("").is_ok());
    }
}
