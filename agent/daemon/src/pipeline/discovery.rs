//! Where secrets are found: on the host's mounts, in containers, in what their runtime declares.

use cofferdam_inventory::mounts::MountTable;
use cofferdam_inventory::oci_config::DeclaredMount;
use cofferdam_model::{BootTime, InodeKey, Loss, LossReason, Record, SecretRef, WorkloadId};

use super::Pipeline;
use crate::containment::home;
use crate::host::boot_time;

impl Pipeline {
    /// The secret that a file is, by its key alone.
    pub fn resolve(&mut self, key: InodeKey) -> Option<SecretRef> {
        self.secrets.resolve(key, &[], &mut self.query)
    }

    /// What a container's configuration declares at or below `/run/secrets`. `expected` is when the last of it that was
    /// news came to be watched, if a runtime's command line had told of it before.
    pub fn declare_secrets(
        &mut self,
        owner: WorkloadId,
        mounts: &[DeclaredMount],
        host: &MountTable,
        expected: Option<BootTime>,
        now: BootTime,
    ) {
        let Self { secrets, query, tables, batch, .. } = self;
        let _ = secrets.take_newly_watched();
        batch.extend(secrets.declared(owner, mounts, host, query, tables, now));
        let watched = secrets.take_newly_watched().then(boot_time);
        if watched.is_some() && self.tables.is_started(owner) {
            // The record of it may be still to come, or have come to an agent before this one.
            let since = self.state.workloads.get(owner).map_or(now, |workload| workload.since);
            self.lateness.ran(owner, since);
        }
        if self.lateness.known(owner, watched.max(expected)) {
            self.watched_late(owner, now);
        }
    }

    /// What a container that is about to start will have mounted; when it was watched, if that is news.
    pub fn expect_secrets(&mut self, mounts: &[DeclaredMount], host: &MountTable) -> Option<BootTime> {
        let Self { secrets, query, tables, .. } = self;
        let _ = secrets.take_newly_watched();
        secrets.expected(mounts, host, query, tables);
        secrets.take_newly_watched().then(boot_time)
    }

    /// A container's own program runs.
    pub fn runs(&mut self, container: WorkloadId, pid: u32, at: BootTime) {
        self.look_into(container, pid, at);
        if self.lateness.ran(container, at) {
            self.watched_late(container, at);
        }
    }

    /// A container's programs ran before its secrets were watched: what they read meanwhile was not seen.
    pub(super) fn watched_late(&mut self, container: WorkloadId, now: BootTime) {
        self.batch.push(Record::Loss(Loss {
            since: self.state.workloads.get(container).map_or(now, |workload| workload.since),
            until: now,
            hook: "open".to_owned(),
            workload: Some(container),
            reason: LossReason::Unwatched,
            count: 1,
        }));
    }

    /// Looks at a running container's mount table, once: which volumes it has, and what lies at or below its
    /// `/run/secrets`.
    pub fn look_into(&mut self, container: WorkloadId, pid: u32, now: BootTime) {
        if self.secrets.has_view(container) {
            return;
        }
        let Self { secrets, query, tables, batch, .. } = self;
        let _ = secrets.take_newly_watched();
        batch.extend(secrets.mounted_in(container, pid, query, tables, now));
        if self.secrets.has_view(container) {
            let watched = self.secrets.take_newly_watched().then(boot_time);
            if self.lateness.known(container, watched) {
                self.watched_late(container, now);
            }
        }
        if let Some(pod) = self.state.workloads.get(container).and_then(|it| it.kind.pod_uid()).cloned() {
            let containers = self.state.of_pod(&pod);
            self.batch.extend(self.secrets.of_pod(&pod, &containers, now));
        }
    }

    /// Notes where a container's own programs live, once: later ones may have gone elsewhere.
    pub fn note_home(&mut self, container: WorkloadId) {
        if !self.state.homes.contains_key(&container) {
            let _ = home::enter(container, self);
        }
    }

    /// Finds configured files that were replaced; `true` if there are any, and the mounts are to be looked at again.
    pub fn find_replaced(&mut self, now: BootTime) -> bool {
        let records = self.secrets.replaced(now);
        let found = !records.is_empty();
        self.batch.extend(records);
        found
    }

    /// Looks at the host's mounts again.
    pub fn refresh_secrets(&mut self, host: &MountTable, now: BootTime) {
        let Self { secrets, query, tables, batch, .. } = self;
        batch.extend(secrets.refresh(host, query, tables, now));
    }
}
