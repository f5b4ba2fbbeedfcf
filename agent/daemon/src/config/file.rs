//! The configuration file as it is written: each value that may be wrong with its place.

use std::path::PathBuf;

use serde::Deserialize;
use serde_saphyr::Spanned;

/// The file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// This node.
    pub node: Node,
    /// Secrets besides those that are found.
    pub secrets: Vec<Secret>,
    /// Environment variables that carry credentials.
    pub environment: Environment,
    /// The journal's bounds.
    pub journal: Journal,
    /// Container runtimes.
    pub runtimes: Runtimes,
    /// Bounds of what one workload may cause.
    pub limits: Limits,
    /// How policies are put into force.
    pub policy: Policy,
    /// Detection rules.
    pub detections: Detections,
}

/// Detection rules.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detections {
    /// Where rules lie besides those that are built in; `/etc/cofferdam/detections` unless given.
    pub folder: Option<Spanned<PathBuf>>,
    /// Names of rules that do not run.
    pub off: Vec<String>,
    /// How long after it was first seen a workload's habits are known: `1h` unless given.
    pub learning: Option<Spanned<String>>,
}

/// How policies are put into force.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What a container may do while nothing is decided for it yet: `observe` (everything) or `deny` (no secret).
    pub pending: Option<Spanned<String>>,
    /// Resolvers that stay reachable whatever a workload is bound to; those of /etc/resolv.conf unless given.
    pub resolvers: Vec<Spanned<String>>,
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
pub struct Secret {
    /// By which name it is reported.
    pub name: String,
    /// A file, a mount or a folder.
    pub path: Spanned<PathBuf>,
}

/// Environment variables that carry credentials.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// Globs of their names; a list of common ones unless given.
    pub names: Option<Vec<Spanned<String>>>,
}

/// The journal's bounds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// How long rows are kept: `7d`, `12h`.
    pub retain: Option<Spanned<String>>,
    /// How much room they may take: `1GiB`, `500MB`.
    pub max_size: Option<Spanned<String>>,
}

/// Container runtimes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtimes {
    /// CRI socket; the usual places are tried unless given. The runtime may be started later than the agent.
    pub cri_socket: Option<PathBuf>,
}

/// Bounds of what one workload may cause.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// First events (a program's first touch of a secret or destination) that are itemised in a second; the rest is
    /// counted.
    pub first_events_per_second: Option<Spanned<u64>>,
    /// Forks and execs that are itemised in a second; the rest is counted.
    pub process_events_per_second: Option<Spanned<u64>>,
}
