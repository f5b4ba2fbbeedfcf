//! Where secrets are found: on the host's mounts, in containers, in what their runtime declares.

use cofferdam_inventory::mounts::MountTable;
use cofferdam_inventory::oci_config::DeclaredMount;
use cofferdam_model::{BootTime, InodeKey, Loss, LossReason, Record, SecretRef, WorkloadId};

use super::Pipeline;
use crate::containment::home;

impl Pipeline {
    /// The secret that a file is, by its key alone.
    pub fn resolve(&mut self, key: InodeKey) -> Option<SecretRef> {
        self.secrets.resolve(key, &[], &mut self.query)
    }

    /// What a container's configuration declares at or below `/run/secrets`.
    pub fn declare_secrets(
        &mut self,
        owner: WorkloadId,
        mounts: &[DeclaredMount],
        host: &MountTable,
        now: BootTime,
    ) {
        let Self { secrets, query, tables, batch, .. } = self;
        // What was expected is watched already; only what is news now can be late.
        let _ = secrets.take_late();
        batch.extend(secrets.declared(owner, mounts, host, query, tables, now));
        if secrets.take_late() && tables.is_started(owner) {
            // Its programs ran before its secrets were known: what they read meanwhile was not seen.
            batch.push(Record::Loss(Loss {
                since: self.state.workloads.get(owner).map_or(now, |workload| workload.since),
                until: now,
                hook: "open".to_owned(),
                workload: Some(owner),
                reason: LossReason::Unwatched,
                count: 1,
            }));
        }
    }

    /// What a container that is about to start will have mounted.
    pub fn expect_secrets(&mut self, mounts: &[DeclaredMount], host: &MountTable) {
        let Self { secrets, query, tables, .. } = self;
        secrets.expected(mounts, host, query, tables);
    }

    /// Looks at a running container's mount table, once: which volumes it has, and what lies at or below its
    /// `/run/secrets`.
    pub fn look_into(&mut self, container: WorkloadId, pid: u32, now: BootTime) {
        if self.secrets.has_view(container) {
            return;
        }
        let Self { secrets, query, tables, batch, .. } = self;
        batch.extend(secrets.mounted_in(container, pid, query, tables, now));
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
