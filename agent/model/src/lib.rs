//! The words of Cofferdam as types: workloads, secrets, processes, accesses, connections, attempts, detections,
//! losses.
//!
//! Pure data: nothing in this crate does I/O, knows a kernel layout or holds a credential's value.

#![forbid(unsafe_code)]

mod access;
mod attempt;
mod audit;
mod completeness;
mod connection;
mod detection;
mod evidence;
mod glob;
mod ids;
mod loss;
mod process;
mod query;
mod record;
mod rows;
mod secret;
mod time;
mod verdict;
mod workload;

pub use access::{Access, AccessKind, AccessMode, Target, TargetRelation};
pub use attempt::{Attempt, AttemptKind};
pub use audit::{Audit, AuditKind, Peer};
pub use completeness::Completeness;
pub use connection::{Connection, Protocol};
pub use detection::{Contain, Detection, Response, Severity, Told};
pub use evidence::{
    Executor, Known, KnownSecret, Program, SeenAccess, SeenConnection, SeenExecution, SeenTarget, Span,
};
pub use glob::glob;
pub use ids::{
    BootId, CgroupId, ContainerId, EventId, FilesystemKey, InodeKey, ParseIdError, PodUid, WorkloadId,
};
pub use loss::{Loss, LossReason};
pub use process::{BinaryOrigin, Executable, Process, ProcessKey};
pub use query::{Answer, Filter};
pub use record::Record;
pub use rows::{
    AccessRow, AttemptRow, AuditRow, ConnectionRow, DetectionRow, LossRow, ProcessRow, SecretRow, TargetRow,
    ToldRow, WorkloadRow,
};
pub use secret::{SecretKind, SecretRef};
pub use time::{BootTime, Clock, WallTime};
pub use verdict::{DeniedBy, EnforcedBy, Verdict};
pub use workload::{Image, Runtime, Workload, WorkloadKind, WorkloadName};
