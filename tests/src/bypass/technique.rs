//! A technique: what the attacker does, and what must come of it on each tier.

use std::fmt;

use anyhow::Result;
use cofferdam_api::Tier;
use cofferdam_model::EnforcedBy;

use super::{Attack, Came};

/// A way to get around a policy.
#[derive(Debug, Clone, Copy)]
pub struct Technique {
    /// What the attacker does, as the table says it.
    pub what: &'static str,
    /// What must come of it.
    pub outcomes: Outcomes,
    /// Tries it, and says what came of it.
    pub attack: fn(&Attack<'_, '_>) -> Result<Came>,
}

/// What must come of a technique, tier by tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcomes {
    /// With BPF LSM programs.
    pub lsm: Outcome,
    /// With tracepoints, cgroup programs and the guard's fanotify group.
    pub tracepoint: Outcome,
}

/// What comes of a technique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused, and told as that.
    Denied(EnforcedBy),
    /// The agent itself refuses it, and `cofferdam audit` tells of it.
    Unanswered,
    /// It goes through, and is told.
    Detected(Answer),
    /// It goes through as something that no rule forbids, and `cofferdam accesses` tells of it as that: why.
    Allowed(&'static str),
    /// It goes through, and nothing tells of it: why.
    Missed(&'static str),
    /// It cannot be done at all, whatever we do: why.
    Impossible(&'static str),
}

/// What tells of a technique that has gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `cofferdam accesses`, as what would be denied.
    Accesses,
    /// `cofferdam connections`, as what would be denied.
    Connections,
    /// `cofferdam attempts`.
    Attempts,
    /// `cofferdam audit`.
    Audit,
    /// `cofferdam timeline`, by the origin of a program.
    Timeline,
}

/// What comes of a way over a unix socket where no LSM program runs.
pub const UNIX_UNSEEN: Outcome = Outcome::Missed("no hook of this tier sees unix sockets");

impl Outcomes {
    /// The same everywhere.
    pub const fn everywhere(outcome: Outcome) -> Self {
        Self { lsm: outcome, tracepoint: outcome }
    }

    /// A secret is opened: the LSM hook refuses it, and the guard where the kernel has none.
    pub const OPEN: Self = Self::lsm_or(Outcome::Denied(EnforcedBy::Fanotify));

    /// An environment is opened, which the guard does not hold back.
    pub const ENVIRONMENT: Self = Self::lsm_or(Outcome::Detected(Answer::Accesses));

    /// A destination is reached for: cgroup programs refuse it everywhere.
    pub const DESTINATION: Self = Self::everywhere(Outcome::Denied(EnforcedBy::Cgroup));

    /// A program is executed that may not be.
    pub const EXEC: Self = Self::lsm_or(Outcome::Detected(Answer::Timeline));

    /// Memory of another process is reached for.
    pub const MEMORY: Self =
        Self::lsm_or(Outcome::Missed("no hook of this tier sees who reaches into memory"));

    /// An LSM hook refuses it; without one this comes of it.
    pub const fn lsm_or(tracepoint: Outcome) -> Self {
        Self { lsm: Outcome::Denied(EnforcedBy::Lsm), tracepoint }
    }

    /// What must come of it on this tier; `None` for tiers that are not built yet.
    pub const fn on(self, tier: Tier) -> Option<Outcome> {
        match tier {
            Tier::Lsm => Some(self.lsm),
            Tier::Tracepoint => Some(self.tracepoint),
            Tier::Trampoline => None,
        }
    }
}

impl Outcome {
    /// Whether something of ours refuses it, or tells that it should have been.
    pub const fn is_told(self) -> bool {
        matches!(self, Self::Denied(_) | Self::Unanswered | Self::Detected(_))
    }

    /// Whether this is what must come of it. The kernel of a machine with tier `tracepoint` may have less than the one
    /// that the table was made on, or more: what it has more is refused.
    pub fn meets(self, expected: Self, tier: Tier) -> bool {
        match (self, expected) {
            _ if self.is_like(expected) => true,
            (Self::Impossible(_), _) => tier == Tier::Tracepoint,
            (Self::Denied(_), Self::Impossible(_)) => true,
            _ => false,
        }
    }

    /// Whether the other is the same; reasons are words and count for nothing.
    pub fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Allowed(_), Self::Allowed(_))
            | (Self::Missed(_), Self::Missed(_))
            | (Self::Impossible(_), Self::Impossible(_)) => true,
            _ => self == other,
        }
    }
}

impl Answer {
    /// The command that gives it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accesses => "accesses",
            Self::Connections => "connections",
            Self::Attempts => "attempts",
            Self::Audit => "audit",
            Self::Timeline => "timeline",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(by) => write!(f, "denied ({by})"),
            Self::Unanswered => f.write_str("denied (the agent)"),
            Self::Detected(answer) => write!(f, "detected (`{}`)", answer.as_str()),
            Self::Allowed(why) => write!(f, "**allowed** (`accesses`): {why}"),
            Self::Missed(why) => write!(f, "**missed**: {why}"),
            Self::Impossible(why) => write!(f, "impossible: {why}"),
        }
    }
}
