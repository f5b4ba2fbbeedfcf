//! A detection: a rule's finding, with its evidence.

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{
    BinaryOrigin, BootId, BootTime, Clock, DetectionRow, EventId, Process, ProcessKey, SecretRef, ToldRow,
    Workload, WorkloadId,
};

words! {
    /// How bad it is.
    Severity: "severity (info, low, medium, high, critical)" {
        /// Worth knowing.
        Info = "info",
        /// Unusual, and mostly harmless.
        Low = "low",
        /// To be looked at on a working day.
        Medium = "medium",
        /// To be looked at now.
        High = "high",
        /// A credential is in wrong hands.
        Critical = "critical",
    }
}

words! {
    /// What a rule wants denied at once.
    Contain: "containment (none, credential, workload)" {
        /// Nothing.
        None = "none",
        /// The credential, to this workload.
        Credential = "credential",
        /// Everything: the workload is cut off.
        Workload = "workload",
    }
}

/// What a rule wants done. Whether it is done or proposed is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// What is denied.
    pub contain: Contain,
    /// Whether the credential is revoked.
    pub revoke: bool,
}

/// What a condition has asked for, and what it was told. Never a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The event.
    pub event: EventId,
    /// The field.
    pub field: String,
    /// What it was.
    pub value: String,
}

/// A rule has found something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// The rule.
    pub rule: String,
    /// The event that completed it: with the rule's name its identity.
    pub event: EventId,
    /// When that happened.
    pub at: BootTime,
    /// What has happened, in a sentence.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK techniques.
    pub techniques: Vec<String>,
    /// Where.
    pub workload: WorkloadId,
    /// By whom.
    pub process: Option<ProcessKey>,
    /// What it ran.
    pub exec: Option<EventId>,
    /// Its host user, where the event tells it; else the program's.
    pub uid: Option<u32>,
    /// The secret that it is about, if it is about one.
    pub secret: Option<SecretRef>,
    /// The events that it rests on, in their order.
    pub evidence: Vec<EventId>,
    /// What of them has decided.
    pub told: Vec<Told>,
    /// How often the same was found and not told since the last time.
    pub withheld: u64,
    /// What is to be done.
    pub response: Response,
}

impl Detection {
    /// As its reader sees it, with what is known of its workload and program.
    pub fn row(
        &self,
        boot: &BootId,
        clock: &Clock,
        workload: Option<&Workload>,
        program: Option<&Process>,
    ) -> DetectionRow {
        let row_id = |event: EventId| format!("{}-{:x}", boot.as_str().get(..8).unwrap_or_default(), event.0);
        let told = |told: &Told| ToldRow {
            event: row_id(told.event),
            field: told.field.clone(),
            value: told.value.clone(),
        };
        let secret = self.secret.as_ref();
        DetectionRow {
            id: format!("{}/{}", row_id(self.event), self.rule),
            at: clock.wall(self.at),
            rule: self.rule.clone(),
            title: self.title.clone(),
            severity: self.severity,
            techniques: self.techniques.clone(),
            workload: workload.map(|workload| workload.name().as_str().to_owned()),
            namespace: workload.and_then(|workload| workload.namespace.clone()),
            pod: workload.and_then(|workload| workload.pod.clone()),
            container: workload.and_then(|workload| workload.container.clone()),
            container_id: workload.and_then(|it| it.kind.container_id()).map(ToString::to_string),
            binary: program.and_then(|program| program.executable.path.clone()),
            binary_origin: program.map_or(BinaryOrigin::Unknown, |program| program.executable.origin),
            pid: self.process.map(|process| process.pid),
            process_start: self.process.map(|process| clock.wall(process.start)),
            uid: self.uid.or_else(|| program.map(|program| program.uid)),
            exec_session: program.and_then(|program| program.exec_session),
            secret: secret.map(SecretRef::display_name),
            secret_kind: secret.map(|secret| secret.kind),
            key: secret.and_then(|secret| secret.key.clone()),
            evidence: self.evidence.iter().map(|event| row_id(*event)).collect(),
            told: self.told.iter().map(told).collect(),
            withheld: self.withheld,
            contain: self.response.contain,
            revoke: self.response.revoke,
            boot_id: boot.clone(),
        }
    }
}
