//! Workloads and their versions. Names arrive late, so what a record adds to a version is filled in; what it changes
//! (labels, image) begins a new version from then on.

use std::collections::BTreeMap;

use cofferdam_model::{BootTime, Runtime, Workload, WorkloadId, WorkloadKind};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use crate::codec::{Columns, bits, from_json, json, opt_bits};

/// One version of a workload: a row of the table `workload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) workload: WorkloadId,
    pub(crate) valid_from: BootTime,
    /// `None`: known by number only.
    pub(crate) name: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) container_id: Option<String>,
    pub(crate) pod_uid: Option<String>,
    pub(crate) runtime: Option<String>,
    pub(crate) runtime_namespace: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) sandbox: bool,
    pub(crate) cgroup: u64,
    pub(crate) cgroup_path: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) image: Option<String>,
    pub(crate) image_digest: Option<String>,
    pub(crate) credential_variables: Vec<String>,
    pub(crate) since: Option<BootTime>,
    pub(crate) until: Option<BootTime>,
}

/// The columns of a version, in the order of [`Version::read`].
pub(crate) const COLUMNS: &str = "workload, valid_from_boot_ns, name, kind, namespace, pod, container, \
     container_id, pod_uid, runtime, runtime_namespace, unit, sandbox, cgroup, cgroup_path, labels, image, \
     image_digest, credential_variables, since_boot_ns, until_boot_ns";

impl Version {
    /// A workload of which only the number is known.
    pub(super) fn unnamed(workload: WorkloadId, valid_from: BootTime) -> Self {
        Self {
            workload,
            valid_from,
            name: None,
            kind: None,
            namespace: None,
            pod: None,
            container: None,
            container_id: None,
            pod_uid: None,
            runtime: None,
            runtime_namespace: None,
            unit: None,
            sandbox: false,
            cgroup: workload.0,
            cgroup_path: None,
            labels: BTreeMap::new(),
            image: None,
            image_digest: None,
            credential_variables: Vec::new(),
            since: None,
            until: None,
        }
    }

    /// What a record says, with what an earlier record had said where it says nothing.
    fn told(record: &Workload, before: Option<&Self>, valid_from: BootTime) -> Self {
        let mut full = record.clone();
        if let Some(before) = before {
            full.namespace = full.namespace.or_else(|| before.namespace.clone());
            full.pod = full.pod.or_else(|| before.pod.clone());
            full.container = full.container.or_else(|| before.container.clone());
            full.sandbox |= before.sandbox;
        }
        let keep = |new: Option<String>, old: fn(&Self) -> &Option<String>| {
            new.or_else(|| before.and_then(|before| old(before).clone()))
        };
        let (runtime, runtime_namespace, unit) = match &full.kind {
            WorkloadKind::PodContainer { runtime, .. } => (Some(*runtime), None, None),
            WorkloadKind::Container { runtime, runtime_namespace, .. } => {
                (Some(*runtime), runtime_namespace.clone(), None)
            }
            WorkloadKind::Unit { unit } => (None, None, Some(unit.clone())),
            WorkloadKind::Host | WorkloadKind::Other => (None, None, None),
        };
        let or_before = |empty: bool, before: Option<&Self>| if empty { before.cloned() } else { None };
        Self {
            workload: full.id,
            valid_from,
            name: Some(full.name().as_str().to_owned()),
            kind: Some(kind_word(&full.kind).to_owned()),
            container_id: full.kind.container_id().map(|id| id.as_str().to_owned()),
            pod_uid: full.kind.pod_uid().map(|uid| uid.as_str().to_owned()),
            runtime: runtime.map(|runtime: Runtime| runtime.as_str().to_owned()),
            runtime_namespace: keep(runtime_namespace, |v| &v.runtime_namespace),
            unit,
            sandbox: full.sandbox,
            cgroup: full.cgroup.0,
            labels: or_before(full.labels.is_empty(), before).map_or(full.labels, |before| before.labels),
            image_digest: match &full.image {
                Some(image) => {
                    let same = before.is_some_and(|b| b.image.as_deref() == Some(image.name.as_str()));
                    let digest = image.digest.clone();
                    if same { keep(digest, |v| &v.image_digest) } else { digest }
                }
                None => keep(None, |v| &v.image_digest),
            },
            image: keep(full.image.map(|image| image.name), |v| &v.image),
            credential_variables: or_before(full.credential_variables.is_empty(), before)
                .map_or(full.credential_variables, |before| before.credential_variables),
            since: Some(before.and_then(|b| b.since).map_or(full.since, |since| since.min(full.since))),
            until: full.until.or_else(|| before.and_then(|b| b.until)),
            namespace: full.namespace,
            pod: full.pod,
            container: full.container,
            cgroup_path: Some(full.cgroup_path),
        }
    }

    /// Whether what was known of `before` is something else now, rather than more.
    fn contradicts(&self, before: &Self) -> bool {
        let differs = |new: &Option<String>, old: &Option<String>| old.is_some() && new != old;
        (!before.labels.is_empty() && self.labels != before.labels)
            || differs(&self.image, &before.image)
            || differs(&self.image_digest, &before.image_digest)
            || (!before.credential_variables.is_empty()
                && self.credential_variables != before.credential_variables)
    }

    pub(crate) fn read(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::of(row);
        Ok(Self {
            workload: c.workload()?,
            valid_from: c.time()?,
            name: c.get()?,
            kind: c.get()?,
            namespace: c.get()?,
            pod: c.get()?,
            container: c.get()?,
            container_id: c.get()?,
            pod_uid: c.get()?,
            runtime: c.get()?,
            runtime_namespace: c.get()?,
            unit: c.get()?,
            sandbox: c.get()?,
            cgroup: c.unsigned()?,
            cgroup_path: c.get()?,
            labels: from_json(&c.get::<String>()?)?,
            image: c.get()?,
            image_digest: c.get()?,
            credential_variables: from_json(&c.get::<String>()?)?,
            since: c.opt_time()?,
            until: c.opt_time()?,
        })
    }

    pub(super) fn latest(conn: &Connection, boot: i64, workload: WorkloadId) -> Result<Option<Self>> {
        conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM workload WHERE boot = ?1 AND workload = ?2
             ORDER BY valid_from_boot_ns DESC LIMIT 1"
        ))?
        .query_row(params![boot, bits(workload.0)], Self::read)
        .optional()
    }

    pub(super) fn save(&self, conn: &Connection, boot: i64) -> Result<()> {
        conn.prepare_cached(&format!(
            "INSERT OR REPLACE INTO workload (boot, {COLUMNS}) VALUES
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
        ))?
        .execute(params![
            boot,
            bits(self.workload.0),
            bits(self.valid_from.as_nanos()),
            self.name,
            self.kind,
            self.namespace,
            self.pod,
            self.container,
            self.container_id,
            self.pod_uid,
            self.runtime,
            self.runtime_namespace,
            self.unit,
            self.sandbox,
            bits(self.cgroup),
            self.cgroup_path,
            json(&self.labels)?,
            self.image,
            self.image_digest,
            json(&self.credential_variables)?,
            opt_bits(self.since.map(BootTime::as_nanos)),
            opt_bits(self.until.map(BootTime::as_nanos)),
        ])?;
        Ok(())
    }
}

/// The version that a record makes of the one before, and whether it is a new one.
///
/// `now` is when the record arrived: a change is valid from then on.
pub(super) fn next_version(record: &Workload, before: Option<&Version>, now: BootTime) -> Version {
    let Some(before) = before else { return Version::told(record, None, record.since) };
    let next = Version::told(record, Some(before), before.valid_from);
    if next.contradicts(before) {
        // Never the same moment: that would overwrite the version before.
        let later = BootTime::from_nanos(before.valid_from.as_nanos().saturating_add(1));
        Version { valid_from: now.max(later), ..next }
    } else {
        next
    }
}

fn kind_word(kind: &WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::PodContainer { .. } => "pod-container",
        WorkloadKind::Container { .. } => "container",
        WorkloadKind::Unit { .. } => "unit",
        WorkloadKind::Host => "host",
        WorkloadKind::Other => "other",
    }
}
