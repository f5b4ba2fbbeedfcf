//! The file of a rule as it is written. What it means is decided in `parse`.

use cofferdam_policy::yaml::Placed;
use schemars::JsonSchema;
use serde::Deserialize;

/// A detection rule: what is seen, in which order, of what severity, and what is done about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "DetectionRule")]
pub struct Document {
    /// `cofferdam.dev/v1alpha1`.
    pub api_version: Placed<String>,
    /// `DetectionRule`.
    pub kind: Placed<String>,
    /// Its name.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
}

/// The name of a rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Unique on the node.
    pub name: Placed<String>,
}

/// What a rule says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// What has happened, in a sentence that a person reads who was woken up.
    pub title: Placed<String>,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: Placed<String>,
    /// MITRE ATT&CK techniques, for example `T1552.001`.
    pub technique: Vec<Placed<String>>,
    /// The kind of event: `access`, `connection` or `attempt`.
    pub on: Placed<String>,
    /// What must hold of it, in CEL.
    pub when: Placed<String>,
    /// What must follow, each after the one before.
    #[serde(default)]
    pub then: Vec<Step>,
    /// That it must happen again and again.
    pub count: Option<Count>,
    /// Whose events belong together: `process`, `tree`, `workload` (default).
    pub by: Option<Placed<String>>,
    /// At most one detection of this for the same in this time: `10m` unless given; `0s` tells each.
    pub every: Option<Placed<String>>,
    /// What is done about it.
    #[serde(default)]
    pub response: Response,
}

/// What must follow.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The kind of event.
    pub on: Placed<String>,
    /// What must hold of it.
    pub when: Placed<String>,
    /// How long after the one before at most.
    pub within: Placed<String>,
}

/// That something must happen again and again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Count {
    /// What is counted: `events`, or different `secrets`.
    pub of: Placed<String>,
    /// How many it takes.
    pub at_least: Placed<u32>,
    /// In which time.
    pub within: Placed<String>,
}

/// What is done about a detection; whether it is done or proposed is configured.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Response {
    /// `credential`: it is denied to the workload. `workload`: it is cut off.
    pub contain: Option<Placed<String>>,
    /// The credential is revoked.
    #[serde(default)]
    pub revoke: bool,
}
