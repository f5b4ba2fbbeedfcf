//! Policies: what is asked of the agent about them, and what it says they do on this node.

use std::time::Duration;

use cofferdam_model::{EnforcedBy, Verdict, WallTime};
use serde::{Deserialize, Serialize};

use crate::Peer;
use crate::words::words;

/// The most that the text of policies may have, in bytes.
pub const MAX_POLICY_BYTES: usize = 4 << 20;

words! {
    /// Whether a rule denies or only tells what it would deny.
    PolicyMode {
        /// It only tells.
        Observe = "observe",
        /// It denies.
        Enforce = "enforce",
    }
}

words! {
    /// How a policy came to the agent.
    PolicyOrigin {
        /// It lies in the policy folder, and goes when it is removed from there.
        Folder = "folder",
        /// Someone applied it, and it goes when someone removes it.
        Applied = "applied",
    }
}

words! {
    /// What a rule is about.
    RuleKind {
        /// Who may read a secret, and where it may travel.
        Secret = "secret",
        /// Whose environment may be read.
        Environment = "environment",
        /// What may be executed.
        Exec = "exec",
        /// Where connections may go.
        Egress = "egress",
        /// Whose memory may be read or written.
        Memory = "memory",
        /// What another rule does not apply to, for a time.
        Exception = "exception",
    }
}

/// Policies as their user wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyText {
    /// The file, as its user names it; what is said about the text begins with it.
    pub source: String,
    /// One or more YAML documents.
    pub text: String,
}

/// How to apply policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyOptions {
    /// Only check, and say what would be in force.
    pub dry_run: bool,
    /// Roll back after this long unless it is confirmed; `None`: for good.
    pub confirm_within: Option<Duration>,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// Its name.
    pub name: String,
    /// Its Kubernetes namespace.
    pub namespace: Option<String>,
    /// Its mode; single rules may have another.
    pub mode: PolicyMode,
    /// How it came here.
    pub origin: PolicyOrigin,
    /// The file that it came from.
    pub source: String,
    /// When.
    pub applied: WallTime,
    /// Who applied it; `None`: it lies in the policy folder.
    pub by: Option<Peer>,
    /// How many rules it has.
    pub rules: u64,
    /// Stable names of the workloads that run here and that it selects.
    pub workloads: Vec<String>,
    /// When it rolls itself back, unless it is confirmed before.
    pub confirm_until: Option<WallTime>,
}

/// What the policies in force say, to check others against.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTexts {
    /// The text of every policy.
    pub texts: Vec<TextInForce>,
    /// Since when the days of exceptions count, also of policies that are not in force any more.
    pub accepted: Vec<AcceptedException>,
}

/// A text of which policies are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextInForce {
    /// Which of its policies, each as `namespace/name` or `name`.
    pub names: Vec<String>,
    /// The text.
    pub text: PolicyText,
}

/// An exception that was accepted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedException {
    /// Policy, rule and what it allows, in the words by which the agent knows it again.
    pub exception: String,
    /// When.
    pub at: WallTime,
}

/// What policies really do on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Every rule, once for each workload that it applies to.
    pub rules: Vec<RuleStatus>,
    /// Every exception.
    pub exceptions: Vec<ExceptionStatus>,
    /// Workloads whose policy cannot be told yet; the baseline applies to them.
    pub pending: Vec<String>,
    /// Files of the policy folder that are not in force as they are now.
    pub refused: Vec<RefusedFile>,
    /// Counters of every way in which something could pass that should not; each must be 0.
    pub fail_open: Vec<FailOpen>,
}

/// One rule on one workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// The policy.
    pub policy: String,
    /// The rule's id.
    pub rule: String,
    /// What it is about.
    pub kind: RuleKind,
    /// What it was told to do.
    pub mode: PolicyMode,
    /// Stable name of the workload; `None`: the policy selects nothing that runs here.
    pub workload: Option<String>,
    /// What really enforces it here.
    pub effective: Vec<EnforcedBy>,
    /// Why so and not better, as sentences.
    pub why: Vec<String>,
    /// Whether it came into force after the workload had started.
    pub late_bind: bool,
}

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionStatus {
    /// The policy.
    pub policy: String,
    /// The rule that it is an exception from.
    pub rule: String,
    /// What it allows.
    pub allow: String,
    /// Why.
    pub reason: String,
    /// Whose it is.
    pub owner: String,
    /// When it was first accepted.
    pub accepted: WallTime,
    /// When it ends.
    pub expires: WallTime,
    /// Whether it has ended.
    pub expired: bool,
}

/// A file of the policy folder that was not understood; what it said before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedFile {
    /// The file.
    pub file: String,
    /// Where in it and why; one line for each reason.
    pub message: String,
    /// Since when.
    pub since: WallTime,
}

/// A counter that must be 0: what it counts could have passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailOpen {
    /// Its name.
    pub name: String,
    /// How often.
    pub count: u64,
    /// What it means if it is not 0.
    pub means: String,
}

/// Which rule decided an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The event's id.
    pub event: String,
    /// What happened, as a sentence.
    pub what: String,
    /// What was decided.
    pub verdict: Verdict,
    /// The policy that decided; `None`: no policy speaks of it.
    pub policy: Option<String>,
    /// Its rule.
    pub rule: Option<String>,
    /// What the rule says, in words, as it is in force now.
    pub text: Option<String>,
    /// How the decision came about, as sentences.
    pub why: Vec<String>,
}
