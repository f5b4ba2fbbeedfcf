//! What was done to the enforcement, or by it: who changed what may be done, and when.

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{BootTime, WorkloadId};

words! {
    /// What was done.
    AuditKind: "audited act (policy-applied, policy-removed, policy-refused, policy-rolled-back, policy-confirmed, \
        exception-accepted, exception-expired, late-bind, held, contained, released, unloaded, peer-refused)" {
        /// A policy is in force, anew or changed.
        PolicyApplied = "policy-applied",
        /// A policy was lifted.
        PolicyRemoved = "policy-removed",
        /// A policy was not understood, and what was in force stays so.
        PolicyRefused = "policy-refused",
        /// Nobody confirmed a policy in time: what was in force before it is again.
        PolicyRolledBack = "policy-rolled-back",
        /// A policy was confirmed and stays.
        PolicyConfirmed = "policy-confirmed",
        /// An exception was seen for the first time: its days count from here.
        ExceptionAccepted = "exception-accepted",
        /// An exception is over.
        ExceptionExpired = "exception-expired",
        /// A policy took hold of a workload only after it had started.
        LateBind = "late-bind",
        /// A process held a secret's descriptor or mapping from before the policy.
        Held = "held",
        /// A workload or a credential was contained by order.
        Contained = "contained",
        /// Such an order was lifted, or ended.
        Released = "released",
        /// All rules were lifted by `cofferdam unload`.
        Unloaded = "unloaded",
        /// A process in a container asked the agent something, and was not answered.
        PeerRefused = "peer-refused",
    }
}

/// A client of the agent, as the kernel names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its host user id.
    pub uid: u32,
    /// Its host process id.
    pub pid: u32,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: BootTime,
    /// What was done.
    pub what: AuditKind,
    /// To which policy, exception or order.
    pub subject: String,
    /// The workload that it concerned, if it was one.
    pub workload: Option<WorkloadId>,
    /// Who asked for it; `None`: the agent itself.
    pub by: Option<Peer>,
    /// In words. Never a value.
    pub detail: String,
}
