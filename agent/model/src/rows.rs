//! Answers, as their readers see them: the interface of `-o json`. Fields without a value are `null`, never absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AccessKind, AccessMode, AttemptKind, AuditKind, BinaryOrigin, BootId, Contain, DeniedBy, EnforcedBy,
    LossReason, Peer, Protocol, SecretKind, Severity, TargetRelation, Verdict, WallTime,
};

/// The process whose environment or memory was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRow {
    /// Relation to the reader.
    pub relation: TargetRelation,
    /// Host thread-group id.
    pub pid: u32,
    /// Birth.
    pub process_start: WallTime,
    /// Stable workload name.
    pub workload: Option<String>,
    /// Binary that it ran.
    pub binary: Option<String>,
}

/// A row of `cofferdam accesses`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRow {
    /// `<first 8 digits of the boot id>-<event id in hex>`.
    pub id: String,
    /// First access.
    pub first: WallTime,
    /// Latest access.
    pub last: WallTime,
    /// How many.
    pub count: u64,
    /// Stable workload name.
    pub workload: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name.
    pub container: Option<String>,
    /// Container id.
    pub container_id: Option<String>,
    /// Path of the reader's cgroup.
    pub cgroup: Option<String>,
    /// Binary as named at exec.
    pub binary: Option<String>,
    /// `major:minor/inode`.
    pub binary_inode: Option<String>,
    /// Where the binary comes from.
    pub binary_origin: BinaryOrigin,
    /// Interpreter, for scripts.
    pub interpreter: Option<String>,
    /// Host thread-group id.
    pub pid: Option<u32>,
    /// Birth of the process.
    pub process_start: Option<WallTime>,
    /// Boot.
    pub boot_id: BootId,
    /// Parent's host thread-group id.
    pub ppid: Option<u32>,
    /// Host user id.
    pub uid: Option<u32>,
    /// Entered after the container's first process ran.
    pub exec_session: Option<bool>,
    /// Display name of the secret.
    pub secret: String,
    /// Kind of the secret.
    pub secret_kind: SecretKind,
    /// UID of the Secret object.
    pub secret_uid: Option<String>,
    /// Key within the secret.
    pub key: Option<String>,
    /// How it was reached.
    pub how: AccessKind,
    /// What was asked for.
    pub mode: AccessMode,
    /// Whose environment or memory.
    pub target: Option<TargetRow>,
    /// Our decision.
    pub verdict: Verdict,
    /// Who refused.
    pub denied_by: Option<DeniedBy>,
    /// What enforces here.
    pub enforced_by: EnforcedBy,
    /// Deciding policy.
    pub policy: Option<String>,
    /// Deciding rule of the policy.
    pub rule: Option<String>,
    /// It passed only by an exception to that rule.
    pub exception: bool,
    /// Policy generation.
    pub generation: u64,
    /// Order among the workload's first reads.
    pub order: Option<u64>,
    /// Image at that time.
    pub image: Option<String>,
    /// Labels at that time.
    pub labels: BTreeMap<String, String>,
}

/// A row of `cofferdam connections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// As in [`AccessRow`].
    pub id: String,
    /// First connection.
    pub first: WallTime,
    /// Latest connection.
    pub last: WallTime,
    /// How many.
    pub count: u64,
    /// Stable workload name.
    pub workload: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name.
    pub container: Option<String>,
    /// Container id.
    pub container_id: Option<String>,
    /// Path of the cgroup.
    pub cgroup: Option<String>,
    /// Binary as named at exec.
    pub binary: Option<String>,
    /// `major:minor/inode`.
    pub binary_inode: Option<String>,
    /// Where the binary comes from.
    pub binary_origin: BinaryOrigin,
    /// Interpreter, for scripts.
    pub interpreter: Option<String>,
    /// Host thread-group id.
    pub pid: Option<u32>,
    /// Birth of the process.
    pub process_start: Option<WallTime>,
    /// Boot.
    pub boot_id: BootId,
    /// Parent's host thread-group id.
    pub ppid: Option<u32>,
    /// Host user id.
    pub uid: Option<u32>,
    /// Entered after the container's first process ran.
    pub exec_session: Option<bool>,
    /// Destination address.
    pub destination: Option<String>,
    /// Destination port.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Socket family, 4 or 6.
    pub family: u8,
    /// An unconnected send.
    pub unconnected: bool,
    /// Secrets touched before by this process or its ancestors.
    pub tainted_by: Vec<String>,
    /// Our decision.
    pub verdict: Verdict,
    /// Who refused.
    pub denied_by: Option<DeniedBy>,
    /// What enforces here.
    pub enforced_by: EnforcedBy,
    /// Deciding policy.
    pub policy: Option<String>,
    /// Deciding rule of the policy.
    pub rule: Option<String>,
    /// It passed only by an exception to that rule.
    pub exception: bool,
    /// Policy generation.
    pub generation: u64,
}

/// A row of `cofferdam attempts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// As in [`AccessRow`].
    pub id: String,
    /// When.
    pub at: WallTime,
    /// Stable workload name.
    pub workload: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name.
    pub container: Option<String>,
    /// Container id.
    pub container_id: Option<String>,
    /// Path of the cgroup.
    pub cgroup: Option<String>,
    /// Binary as named at exec: of the process that tried.
    pub binary: Option<String>,
    /// `major:minor/inode`.
    pub binary_inode: Option<String>,
    /// Where the binary comes from.
    pub binary_origin: BinaryOrigin,
    /// Interpreter, for scripts.
    pub interpreter: Option<String>,
    /// Host thread-group id.
    pub pid: Option<u32>,
    /// Birth of the process.
    pub process_start: Option<WallTime>,
    /// Boot.
    pub boot_id: BootId,
    /// Parent's host thread-group id.
    pub ppid: Option<u32>,
    /// Host user id.
    pub uid: Option<u32>,
    /// Entered after the container's first process ran.
    pub exec_session: Option<bool>,
    /// What was tried.
    pub what: AttemptKind,
    /// On what: a path, a signal, a socket family.
    pub object: String,
    /// `major:minor/inode` of it, where it is a file.
    pub object_inode: Option<String>,
    /// Where it comes from, where it was to be executed.
    pub object_origin: Option<BinaryOrigin>,
    /// Our decision.
    pub verdict: Verdict,
    /// Who refused.
    pub denied_by: Option<DeniedBy>,
    /// What enforces here.
    pub enforced_by: EnforcedBy,
    /// Deciding policy.
    pub policy: Option<String>,
    /// Deciding rule of the policy.
    pub rule: Option<String>,
    /// It passed only by an exception to that rule.
    pub exception: bool,
    /// Policy generation.
    pub generation: u64,
}

/// A row of `cofferdam audit`: what was done to the enforcement, or by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    pub at: WallTime,
    /// What was done.
    pub what: AuditKind,
    /// To which policy, exception or order.
    pub subject: String,
    /// Stable name of the workload that it concerned, if it was one.
    pub workload: Option<String>,
    /// Who asked for it; `null`: the agent itself.
    pub by: Option<Peer>,
    /// In words.
    pub detail: String,
    /// Boot.
    pub boot_id: BootId,
}

/// What a rule's condition asked of an event, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldRow {
    /// Id of the event's row.
    pub event: String,
    /// The field.
    pub field: String,
    /// What it was.
    pub value: String,
}

/// A row of `cofferdam detections`: what a rule has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectionRow {
    /// `<id of the row that completed it>/<rule>`.
    pub id: String,
    /// When it was complete.
    pub at: WallTime,
    /// The rule.
    pub rule: String,
    /// What has happened, in a sentence.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK techniques.
    pub techniques: Vec<String>,
    /// Stable workload name.
    pub workload: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name.
    pub container: Option<String>,
    /// Container id.
    pub container_id: Option<String>,
    /// Binary as named at exec: of the process that completed it.
    pub binary: Option<String>,
    /// Where the binary comes from.
    pub binary_origin: BinaryOrigin,
    /// Host thread-group id.
    pub pid: Option<u32>,
    /// Birth of the process.
    pub process_start: Option<WallTime>,
    /// Host user id.
    pub uid: Option<u32>,
    /// Entered after the container's first process ran.
    pub exec_session: Option<bool>,
    /// Display name of the secret that it is about.
    pub secret: Option<String>,
    /// Kind of the secret.
    pub secret_kind: Option<SecretKind>,
    /// Key within the secret.
    pub key: Option<String>,
    /// Ids of the rows that it rests on, in their order.
    pub evidence: Vec<String>,
    /// What of them has decided.
    pub told: Vec<ToldRow>,
    /// How often the same was found and not told since the last time.
    pub withheld: u64,
    /// What the rule wants denied at once.
    pub contain: Contain,
    /// Whether the rule wants the credential revoked.
    pub revoke: bool,
    /// Boot.
    pub boot_id: BootId,
}

/// A program that a process of a workload ran; the nodes of `cofferdam timeline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRow {
    /// Id of the exec, fork or adoption.
    pub id: String,
    /// The parent's id: the edge of the tree.
    pub parent: Option<String>,
    /// When the program began.
    pub began: WallTime,
    /// When the process ended.
    pub ended: Option<WallTime>,
    /// Stable workload name.
    pub workload: Option<String>,
    /// Host thread-group id.
    pub pid: u32,
    /// Birth of the process.
    pub process_start: WallTime,
    /// Parent's host thread-group id.
    pub ppid: Option<u32>,
    /// Host user id.
    pub uid: u32,
    /// Binary as named at exec.
    pub binary: Option<String>,
    /// `major:minor/inode`.
    pub binary_inode: Option<String>,
    /// Where it comes from.
    pub binary_origin: BinaryOrigin,
    /// Interpreter, for scripts.
    pub interpreter: Option<String>,
    /// `major:minor/inode` of the interpreter.
    pub interpreter_inode: Option<String>,
    /// Entered after the container's first process ran.
    pub exec_session: Option<bool>,
    /// The container runtime, not yet the container.
    pub runtime: bool,
    /// Ran before the agent did.
    pub adopted: bool,
}

/// A row of `cofferdam workloads`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadRow {
    /// Stable name.
    pub workload: String,
    /// `pod-container`, `container`, `unit`, `host`, `other`.
    pub kind: String,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name.
    pub container: Option<String>,
    /// Container id.
    pub container_id: Option<String>,
    /// Pod UID.
    pub pod_uid: Option<String>,
    /// Runtime.
    pub runtime: Option<String>,
    /// Cgroup path.
    pub cgroup: String,
    /// Cgroup id.
    pub cgroup_id: u64,
    /// Image.
    pub image: Option<String>,
    /// Image digest.
    pub image_digest: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Names of credential variables in its environment.
    pub credential_variables: Vec<String>,
    /// When it appeared.
    pub since: WallTime,
    /// When it ended.
    pub until: Option<WallTime>,
    /// Boot.
    pub boot_id: BootId,
}

/// A row of `cofferdam secrets`: what this node holds, who may see it, who has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRow {
    /// Display name.
    pub secret: String,
    /// Kind.
    pub kind: SecretKind,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod UID.
    pub pod_uid: Option<String>,
    /// UID of the Secret object.
    pub secret_uid: Option<String>,
    /// Keys known so far.
    pub keys: Vec<String>,
    /// Where it lies on the host.
    pub path: Option<String>,
    /// When it was found.
    pub since: WallTime,
    /// When it disappeared.
    pub until: Option<WallTime>,
    /// Workloads that have it mounted or in their environment.
    pub visible_to: Vec<String>,
    /// Workloads that have touched it.
    pub accessed_by: Vec<String>,
    /// How many accesses.
    pub accesses: u64,
    /// Latest access.
    pub last_access: Option<WallTime>,
}

/// Events that were lost, as their reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossRow {
    /// No earlier than this.
    pub since: WallTime,
    /// No later than this.
    pub until: WallTime,
    /// The hook that produced them, or the part of the agent that lost them.
    pub hook: String,
    /// Stable workload name, if known.
    pub workload: Option<String>,
    /// Why.
    pub reason: LossReason,
    /// How many.
    pub count: u64,
}
