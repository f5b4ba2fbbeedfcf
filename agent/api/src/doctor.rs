//! What this node lets the agent see and deny, and what it costs where something is missing.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// How the node's kernel lets us see and deny.
    Tier {
        /// BPF LSM programs.
        Lsm = "lsm",
        /// fentry and fmod_ret on the security functions.
        Trampoline = "trampoline",
        /// Tracepoints, cgroup programs and fanotify.
        Tracepoint = "tracepoint",
    }
}

words! {
    /// Whether a hook works here.
    HookState {
        /// It is attached.
        Attached = "attached",
        /// It is needed on this tier and could not be attached.
        Failed = "failed",
        /// Another hook sees the same on this tier.
        NotNeeded = "not-needed",
    }
}

words! {
    /// The result of a check.
    CheckResult {
        /// As it should be.
        Ok = "ok",
        /// Something is weaker than it could be.
        Warn = "warn",
        /// The agent cannot do its work.
        Fail = "fail",
    }
}

/// One line of the attach table, as it came out on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookReport {
    /// The hook's name, as in loss counters.
    pub hook: String,
    /// The tier that it belongs to.
    pub tier: Tier,
    /// The kernel program.
    pub program: String,
    /// Where it is attached.
    pub attach_point: String,
    /// How it went.
    pub state: HookState,
    /// What it sees.
    pub sees: String,
    /// What is lost without it.
    pub without_it: String,
    /// Why it is not attached.
    pub reason: Option<String>,
}

/// One thing about the host that the agent relies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub ok: CheckResult,
    /// What was found.
    pub found: String,
    /// What it costs, if it is not well.
    pub costs: Option<String>,
    /// What the user can do about it.
    pub remedy: Option<String>,
}

/// A way to a secret that no hook of this tier sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlindSpot {
    /// What is not seen.
    pub what: String,
    /// What is seen of it all the same, or why nothing is.
    pub instead: String,
}

/// The answer of `cofferdam doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// Kernel release.
    pub kernel: String,
    /// The tier that works here; `None` if none does, or if it was not tried.
    pub tier: Option<Tier>,
    /// Why this tier and no better one.
    pub reasons: Vec<String>,
    /// Every hook.
    pub hooks: Vec<HookReport>,
    /// The host.
    pub checks: Vec<Check>,
    /// What this tier cannot see even with every hook attached.
    pub blind_spots: Vec<BlindSpot>,
}
