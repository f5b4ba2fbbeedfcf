//! The file as it is written: each value that may be wrong with its place. What it means is decided in `parse`.

mod forms;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use forms::{Allow, OneOrMany, Port, Readers};

use crate::yaml::Placed;
use crate::{Attach, Bind, Mode, Origin, Read, Session, Set, Stance};

/// A containment policy: who may read what, where it may go, what may be executed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ContainmentPolicy")]
pub struct Document {
    /// `cofferdam.dev/v1alpha1`.
    pub api_version: Placed<String>,
    /// `ContainmentPolicy`.
    pub kind: Placed<String>,
    /// Its name.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
}

/// The name of a policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Unique within its namespace.
    pub name: Placed<String>,
    /// Kubernetes namespace: the policy then selects workloads of it only, and means its secrets.
    pub namespace: Option<Placed<String>>,
}

/// What a policy says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The workloads that it is for: all that is named must fit.
    pub selector: Placed<Selector>,
    /// Mode of the rules that name none: `enforce` unless given.
    pub mode: Option<Mode>,
    /// Namespaces that are left alone unless named here: `kube-system`, `cofferdam`.
    #[serde(default)]
    pub opt_in: Vec<Placed<String>>,
    /// Who may read which secret, and where it may travel.
    #[serde(default)]
    pub secrets: OneOrMany<SecretRule>,
    /// Whose environment may be read.
    #[serde(default)]
    pub environment: OneOrMany<EnvironmentRule>,
    /// What may not be executed.
    #[serde(default)]
    pub exec: OneOrMany<ExecRule>,
    /// Where the workload may send.
    #[serde(default)]
    pub egress: OneOrMany<EgressRule>,
    /// Whether memory of other processes may be reached.
    #[serde(default)]
    pub memory: OneOrMany<MemoryRule>,
    /// What a rule lets pass for a time.
    #[serde(default)]
    pub exceptions: OneOrMany<Exception>,
}

/// Which workloads. Texts are globs: `*` is any text, `?` any character.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Labels of the pod or container, each exactly.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// Kubernetes namespace.
    pub namespace: Option<Placed<String>>,
    /// Name of the container.
    pub container: Option<Placed<String>>,
    /// Name of the image.
    pub image: Option<Placed<String>>,
    /// Name of the systemd unit.
    pub unit: Option<Placed<String>>,
    /// Path of the cgroup.
    pub cgroup: Option<Placed<String>>,
    /// Name as `cofferdam workloads` shows it.
    pub workload: Option<Placed<String>>,
}

/// Who may read a secret, and where it may travel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRule {
    /// Name of the rule, unique within the policy.
    pub id: Placed<String>,
    /// The secret, a glob: `namespace/volume/name`, `volume/name`, the volume's or configured name, or a path on the
    /// host.
    pub secret: Placed<String>,
    /// Its keys (names of files); all unless given.
    pub keys: Option<Placed<Vec<String>>>,
    /// The binaries that may read it, or the word `any`.
    pub readers: Placed<Readers>,
    /// Where a workload that has read it may send. Not limited unless given; an empty list is nowhere.
    pub destinations: Option<Vec<Placed<Endpoint>>>,
    /// When the limit begins: `first-read` unless given.
    pub bind: Option<Placed<Bind>>,
    /// Nothing but these destinations, whatever else is permitted.
    pub isolate: Option<Placed<bool>>,
    /// No other workload of the node may read it.
    #[serde(default)]
    pub exclusive: bool,
    /// `observe` or `enforce`; that of the policy unless given.
    pub mode: Option<Mode>,
    /// What happens when the agent shows no sign of life: `keep` unless given.
    pub on_agent_loss: Option<Placed<AgentLoss>>,
}

/// A binary that may read a secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reader {
    /// Its path in the container, a glob.
    pub binary: Placed<String>,
    /// `image` unless given: what was written or replaced later does not count.
    pub origin: Option<ReaderOrigin>,
}

/// Where a reader may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderOrigin {
    /// The image.
    Image,
    /// Anywhere.
    Any,
}

/// Whose environment may be read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentRule {
    /// Name of the rule, unique within the policy.
    pub id: Placed<String>,
    /// By a process: its own only, none, or any.
    pub read: Read,
    /// `observe` or `enforce`; that of the policy unless given.
    pub mode: Option<Mode>,
    /// What happens when the agent shows no sign of life: `keep` unless given.
    pub on_agent_loss: Option<Placed<AgentLoss>>,
}

/// What may not be executed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecRule {
    /// Name of the rule, unique within the policy.
    pub id: Placed<String>,
    /// Each entry refuses what fits all that it names.
    pub deny: Placed<Vec<Placed<ExecDenial>>>,
    /// `observe` or `enforce`; that of the policy unless given.
    pub mode: Option<Mode>,
    /// What happens when the agent shows no sign of life: `keep` unless given.
    pub on_agent_loss: Option<Placed<AgentLoss>>,
}

/// An executable that is refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecDenial {
    /// Where it comes from.
    pub origin: Option<Origin>,
    /// Its path in the container, a glob.
    pub binary: Option<Placed<String>>,
    /// `exec`: only for who entered the container after its start.
    pub session: Option<Session>,
}

/// Where the workload may send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EgressRule {
    /// Name of the rule, unique within the policy.
    pub id: Placed<String>,
    /// What holds for destinations that nothing names: `allow` unless given.
    pub default: Option<Stance>,
    /// Destinations that are named as allowed.
    #[serde(default)]
    pub allow: Vec<Placed<Endpoint>>,
    /// Destinations that are refused.
    #[serde(default)]
    pub deny: Vec<Placed<Endpoint>>,
    /// `observe` or `enforce`; that of the policy unless given.
    pub mode: Option<Mode>,
    /// What happens when the agent shows no sign of life: `keep` unless given.
    pub on_agent_loss: Option<Placed<AgentLoss>>,
}

/// Whether memory of other processes may be reached.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemoryRule {
    /// Name of the rule, unique within the policy.
    pub id: Placed<String>,
    /// By ptrace, `/proc/<pid>/mem`, `process_vm_readv`, `pidfd_getfd`.
    pub attach: Attach,
    /// `observe` or `enforce`; that of the policy unless given.
    pub mode: Option<Mode>,
    /// What happens when the agent shows no sign of life: `keep` unless given.
    pub on_agent_loss: Option<Placed<AgentLoss>>,
}

/// A destination: exactly one of `cidr`, `host`, `set`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// A network, or one address.
    pub cidr: Option<Placed<String>>,
    /// A host's name; the agent resolves it.
    pub host: Option<Placed<String>>,
    /// A named set of addresses.
    pub set: Option<Set>,
    /// A unix socket, by its path in the container: whoever listens there, in whatever container.
    pub unix: Option<Placed<String>>,
    /// Ports, or ranges as `"8000-8010"`; all unless given.
    pub ports: Option<Placed<Vec<Placed<Port>>>>,
    /// Any unless given.
    pub protocol: Option<Transport>,
}

/// Protocol of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP, MPTCP included.
    Tcp,
    /// UDP, UDP-Lite included.
    Udp,
    /// Whatever it is.
    Any,
}

/// What happens when the agent shows no sign of life.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AgentLoss {
    /// The rule stays in force.
    Keep,
    /// After this time (`10m`) it only observes.
    ReleaseAfter(Placed<String>),
}

/// What a rule lets pass for a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exception {
    /// Id of the rule.
    pub rule: Placed<String>,
    /// What passes.
    pub allow: Placed<Allow>,
    /// Why.
    pub reason: Placed<String>,
    /// Who answers for it.
    pub owner: Placed<String>,
    /// Until when, RFC 3339: at most 30 days after its first acceptance.
    pub expires: Placed<String>,
}

/// What an exception lets pass: a binary, or a destination.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allowance {
    /// Path of a binary in the container, a glob.
    pub binary: Option<Placed<String>>,
    /// A network, or one address.
    pub cidr: Option<Placed<String>>,
    /// A host's name.
    pub host: Option<Placed<String>>,
    /// A named set of addresses.
    pub set: Option<Set>,
    /// A unix socket, by its path in the container.
    pub unix: Option<Placed<String>>,
    /// Ports; all unless given.
    pub ports: Option<Placed<Vec<Placed<Port>>>>,
    /// Any unless given.
    pub protocol: Option<Transport>,
}
