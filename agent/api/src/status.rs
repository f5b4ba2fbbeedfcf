//! How the agent is. Counters run since the agent's start, not since the boot.

use cofferdam_model::{BootId, Contain, Severity, WallTime};
use serde::{Deserialize, Serialize};

use crate::Tier;

/// The answer of `cofferdam status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the agent.
    pub agent_version: String,
    /// Version of the layout shared with the kernel programs.
    pub abi_version: u32,
    /// Name of the node.
    pub node: String,
    /// Name of the cluster.
    pub cluster: Option<String>,
    /// Process id of the agent.
    pub pid: u32,
    /// When the agent was started.
    pub started: WallTime,
    /// Since when every hook is attached and what runs is known; `None` while it is starting.
    pub ready: Option<WallTime>,
    /// The tier in use; `None` while it is starting.
    pub tier: Option<Tier>,
    /// Boot.
    pub boot_id: BootId,
    /// Kernel programs.
    pub programs: Vec<Program>,
    /// Rings.
    pub rings: Vec<Ring>,
    /// Events received, by hook.
    pub events: Vec<HookEvents>,
    /// Named counters of what went wrong, by hook and reason.
    pub counters: Vec<Counter>,
    /// Events lost, by workload.
    pub losses: Vec<WorkloadCount>,
    /// Events only counted because a workload exceeded its budget, by workload.
    pub over_budget: Vec<WorkloadCount>,
    /// Fill of the bounded tables, kernel and user space.
    pub tables: Vec<TableFill>,
    /// The journal.
    pub journal: JournalStatus,
    /// Sources of identity: runtime sockets, mount table, cgroup tree.
    pub sources: Vec<Source>,
    /// Live `watch` subscriptions.
    pub watchers: u32,
    /// Memory.
    pub memory: Memory,
    /// Detection rules.
    pub rules: Vec<DetectionRule>,
}

/// A detection rule, and what it has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectionRule {
    /// Its name.
    pub name: String,
    /// The file that it was read from; `None`: it is built in.
    pub file: Option<String>,
    /// How bad it is what it finds.
    pub severity: Severity,
    /// MITRE ATT&CK techniques.
    pub techniques: Vec<String>,
    /// What it wants denied at once.
    pub contain: Contain,
    /// Whether it wants the credential revoked.
    pub revoke: bool,
    /// It is switched off by the configuration.
    pub off: bool,
    /// Detections.
    pub found: u64,
    /// Found, and not told, because the same was told shortly before.
    pub withheld: u64,
    /// Its conditions asked what was not known.
    pub undecided: u64,
    /// Its conditions took too long.
    pub cut: u64,
    /// It waited for more than it may, and forgot the oldest.
    pub forgotten: u64,
}

/// A kernel program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub attach_point: String,
    /// Whether it is attached.
    pub attached: bool,
}

/// A ring between kernel and agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Events received from a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookEvents {
    /// The hook.
    pub hook: String,
    /// How many.
    pub events: u64,
}

/// A counter of drops, failed look-ups and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// The hook, or the part of the agent.
    pub hook: String,
    /// What was counted.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A count of one workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadCount {
    /// Stable workload name; `None` if not known.
    pub workload: Option<String>,
    /// How many.
    pub count: u64,
}

/// How full a bounded table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFill {
    /// Its name.
    pub name: String,
    /// Entries in use.
    pub used: u64,
    /// Entries it has room for.
    pub capacity: u64,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Where it lies.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The size it may reach, in bytes.
    pub max_bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// Files in it.
    pub segments: u64,
    /// Its oldest row.
    pub oldest: Option<WallTime>,
    /// What is wrong with it now, as sentences.
    pub errors: Vec<String>,
}

/// A source of identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// How it is, in words.
    pub state: String,
    /// Whether it works.
    pub ok: bool,
}

/// Memory of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident set in bytes.
    pub rss_bytes: u64,
    /// Kernel maps in bytes.
    pub map_bytes: u64,
}
