//! What the journal is given.

use serde::{Deserialize, Serialize};

use crate::{
    Access, Attempt, Audit, BootTime, Connection, Detection, EventId, Loss, Process, ProcessKey, SecretRef,
    Workload, WorkloadId,
};

/// One entry for the journal. Records refer to each other by id, so that names may arrive late: a later record
/// with the same id replaces what it says more about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A workload appeared, was named or ended.
    Workload(Workload),
    /// A process began a program.
    Process(Process),
    /// A process ended.
    Exit {
        /// The process.
        process: ProcessKey,
        /// The program it last ran.
        exec: EventId,
        /// When.
        at: BootTime,
    },
    /// A secret was found on this node (or is gone: `until`).
    Secret {
        /// Which.
        secret: SecretRef,
        /// Where on the host, as evidence.
        path: Option<String>,
        /// Workloads that have it mounted or in their environment, as far as known.
        visible_to: Vec<WorkloadId>,
        /// When it was found.
        since: BootTime,
        /// When it disappeared.
        until: Option<BootTime>,
    },
    /// A secret was touched.
    Access(Access),
    /// A connection was made.
    Connection(Connection),
    /// Something else was refused, or would have been.
    Attempt(Attempt),
    /// Something was done to the enforcement, or by it.
    Audit(Audit),
    /// A rule has found something.
    Detection(Box<Detection>),
    /// Events were lost.
    Loss(Loss),
}
