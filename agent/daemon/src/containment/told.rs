//! Changes of what is enforced, as the journal tells them.

use cofferdam_model::{Audit, AuditKind, BootTime, Peer, Record, WorkloadId};

use super::store::Change;

/// A change of the policies in force, and who asked for it.
pub fn changed(change: Change, by: Option<Peer>, now: BootTime) -> Record {
    let (what, subject, detail) = match change {
        Change::Applied(name, source) => (AuditKind::PolicyApplied, name, format!("from {source}")),
        Change::Removed(name, source) => (AuditKind::PolicyRemoved, name, format!("gone from {source}")),
        Change::Refused(file, message) => {
            tracing::error!("{message}");
            (AuditKind::PolicyRefused, file, message)
        }
        Change::RolledBack(name) => {
            (AuditKind::PolicyRolledBack, name, "nobody confirmed it in time".to_owned())
        }
        Change::Accepted(key) => (AuditKind::ExceptionAccepted, key, "its days count from here".to_owned()),
        Change::Expired(key, whose) => (AuditKind::ExceptionExpired, key, whose),
    };
    audit(what, &subject, None, by, detail, now)
}

/// A record of something that was done to the enforcement.
pub fn audit(
    what: AuditKind,
    subject: &str,
    workload: Option<WorkloadId>,
    by: Option<Peer>,
    detail: String,
    at: BootTime,
) -> Record {
    Record::Audit(Audit { at, what, subject: subject.to_owned(), workload, by, detail })
}
