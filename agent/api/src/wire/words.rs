//! How words travel: as enums whose zero is not a word.

use cofferdam_model::{
    AccessKind, AccessMode, AttemptKind, AuditKind, BinaryOrigin, Contain, DeniedBy, EnforcedBy, LossReason,
    Protocol, SecretKind, Severity, TargetRelation, Verdict,
};

use super::{Field, Problem};
use crate::{CheckResult, HookState, PolicyMode, PolicyOrigin, RuleKind, Tier, proto};

macro_rules! words {
    ($($name:ident { $($variant:ident),+ $(,)? })+) => {$(
        impl Field for Option<$name> {
            type Wire = i32;

            fn to_wire(self) -> i32 {
                (match self {
                    None => proto::$name::Unspecified,
                    $(Some($name::$variant) => proto::$name::$variant),+
                }) as i32
            }

            fn from_wire(wire: i32) -> Result<Self, Problem> {
                match proto::$name::try_from(wire) {
                    Err(_) => Err(Problem::UnknownWord(wire)),
                    Ok(proto::$name::Unspecified) => Ok(None),
                    $(Ok(proto::$name::$variant) => Ok(Some($name::$variant))),+
                }
            }
        }

        impl Field for $name {
            type Wire = i32;

            fn to_wire(self) -> i32 {
                Some(self).to_wire()
            }

            fn from_wire(wire: i32) -> Result<Self, Problem> {
                Option::from_wire(wire)?.ok_or(Problem::Absent)
            }
        }

        impl Field for Vec<$name> {
            type Wire = Vec<i32>;

            fn to_wire(self) -> Vec<i32> {
                self.into_iter().map(Field::to_wire).collect()
            }

            fn from_wire(wire: Vec<i32>) -> Result<Self, Problem> {
                wire.into_iter().map(Field::from_wire).collect()
            }
        }

        #[cfg(test)]
        impl super::tests::AllWords for $name {
            const WORDS: &'static [Self] = Self::ALL;
        }
    )+};
}

words! {
    Verdict { Allowed, Denied, WouldDeny }
    DeniedBy { Us, Other }
    EnforcedBy { Lsm, FmodRet, Cgroup, Fanotify, ObserveOnly, LateBind, PathOnly }
    AttemptKind { Execute, MapCode, Socket, Signal, Ptrace, AgentFile, Bpf, Mount, Unix, Limit }
    AuditKind { PolicyApplied, PolicyRemoved, PolicyRefused, PolicyRolledBack, PolicyConfirmed, ExceptionAccepted, ExceptionExpired, LateBind, Held, Contained, Released, Unloaded, PeerRefused }
    Severity { Info, Low, Medium, High, Critical }
    Contain { None, Credential, Workload }
    AccessKind { Open, Receive, Mmap, Environ, Ptrace, Held, Move }
    AccessMode { Read, Write, ReadWrite, Attach }
    TargetRelation { Own, Sibling, Other }
    BinaryOrigin { Image, Written, Memfd, Deleted, Host, Unknown }
    SecretKind { SecretVolume, Projected, Csi, SubPath, RunSecrets, Configured, Environment, Unknown }
    Protocol { Tcp, Udp, Icmp, Sctp, Other }
    LossReason { RingFull, OverBudget, Malformed, TableFull, NotRun, Unwatched, JournalShed, JournalFailed, Stopped }
    Tier { Lsm, Trampoline, Tracepoint }
    HookState { Attached, Failed, NotNeeded }
    CheckResult { Ok, Warn, Fail }
    PolicyMode { Observe, Enforce }
    PolicyOrigin { Folder, Applied }
    RuleKind { Secret, Environment, Exec, Egress, Memory, Exception }
}
