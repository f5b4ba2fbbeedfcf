//! The volumes known now, from whom each was learnt, and who may see each.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{PodUid, SecretRef, WorkloadId};

use super::{Source, Volume};
use crate::mounts::Device;

/// Volumes kept; further ones are counted, and reported as secrets that are not watched.
pub const VOLUMES_MAX: usize = 16_384;

/// Whose mount table (or which configuration) showed a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VolumeOwner {
    /// The host's mount table: volumes of pods.
    Host,
    /// The configuration.
    Configuration,
    /// The mount table of a container.
    Container(WorkloadId),
}

/// What one look has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeChanges {
    /// To be watched from now on.
    pub added: Vec<Volume>,
    /// No longer mounted there. Their superblocks may live on in a container's mount namespace: what the kernel has
    /// been told stays until another file system takes the device number.
    pub removed: Vec<Volume>,
}

/// The volumes known now.
#[derive(Debug, Default)]
pub struct Volumes {
    by_owner: BTreeMap<VolumeOwner, BTreeSet<Volume>>,
    count: usize,
    dropped: u64,
}

impl Volumes {
    /// What `owner` shows now, all of it.
    pub fn replace(&mut self, owner: VolumeOwner, found: Vec<Volume>) -> VolumeChanges {
        let old = self.by_owner.remove(&owner).unwrap_or_default();
        self.count -= old.len();
        let mut new = BTreeSet::new();
        for volume in found {
            if self.count + new.len() < VOLUMES_MAX {
                new.insert(volume);
            } else {
                self.dropped += 1;
            }
        }
        let changes = VolumeChanges {
            added: new.difference(&old).cloned().collect(),
            removed: old.difference(&new).cloned().collect(),
        };
        self.count += new.len();
        if !new.is_empty() {
            self.by_owner.insert(owner, new);
        }
        changes
    }

    /// Every volume.
    pub fn iter(&self) -> impl Iterator<Item = &Volume> {
        self.by_owner.values().flatten()
    }

    /// Superblocks of pods' volumes, which containers show too.
    pub fn pod_devices(&self) -> BTreeSet<Device> {
        self.by_owner.get(&VolumeOwner::Host).into_iter().flatten().map(|volume| volume.device).collect()
    }

    /// Superblocks that are secret as a whole, whoever showed them: `known` for [`super::run_secrets`].
    pub fn whole_devices(&self) -> BTreeSet<Device> {
        let whole = |volume: &&Volume| matches!(volume.source, Source::WholeFilesystem { .. });
        self.iter().filter(whole).map(|volume| volume.device).collect()
    }

    /// Every superblock that holds a secret, a disk with one configured file on it included.
    pub fn devices(&self) -> BTreeSet<Device> {
        self.iter().map(|volume| volume.device).collect()
    }

    /// The secret that a file is, with its key. `names` go from the file up to the root of its file system.
    pub fn secret_at<S: AsRef<str>>(&self, device: Device, names: &[S]) -> Option<SecretRef> {
        let narrow = |volume: &&Volume| match volume.source {
            Source::File => 2,
            Source::Tree => 1,
            Source::WholeFilesystem { .. } | Source::PartOfVolume => 0,
        };
        let volume = self
            .iter()
            .filter(|volume| volume.device == device && volume.holds(names))
            .max_by_key(|volume| (narrow(volume), volume.root.as_os_str().len()))?;
        Some(SecretRef { key: volume.key(names), ..volume.secret.clone() })
    }

    /// How often a volume was left out because [`VOLUMES_MAX`] was reached.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// What is known of a running container's view on volumes.
#[derive(Debug, Clone, Copy)]
pub struct ContainerView<'c> {
    /// The workload.
    pub workload: WorkloadId,
    /// Its pod.
    pub pod_uid: Option<&'c PodUid>,
    /// Its name in the pod, once known.
    pub container: Option<&'c str>,
    /// It is the pod's sandbox, which mounts no volumes.
    pub sandbox: bool,
    /// Superblocks in its mount table, if that was read.
    pub devices: Option<&'c BTreeSet<Device>>,
}

/// Who may see a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visibility {
    /// Workloads that have it mounted, or may have.
    pub workloads: Vec<WorkloadId>,
    /// Every workload named was seen to have it, and no other can.
    pub certain: bool,
}

impl Volume {
    /// Who of the running containers may see this volume.
    pub fn visible_to(&self, containers: &[ContainerView<'_>]) -> Visibility {
        if let Some(owner) = self.secret.owner {
            return Visibility { workloads: vec![owner], certain: true };
        }
        let mut certain = self.secret.pod_uid.is_some();
        let mut workloads = Vec::new();
        for view in containers.iter().filter(|view| self.may_be_mounted_by(view)) {
            match view.devices {
                Some(devices) if !devices.contains(&self.device) => continue,
                Some(_) => {}
                // A pod's volume may be in any of its containers; a configured path is on the host: ask no guess.
                None if self.secret.pod_uid.is_none() => continue,
                None => certain = false,
            }
            workloads.push(view.workload);
        }
        Visibility { workloads, certain }
    }

    fn may_be_mounted_by(&self, view: &ContainerView<'_>) -> bool {
        match (&self.secret.pod_uid, self.source) {
            (Some(pod), _) => {
                let other_container = match (&self.container, view.container) {
                    (Some(wanted), Some(name)) => wanted != name,
                    _ => false,
                };
                view.pod_uid == Some(pod) && !view.sandbox && !other_container
            }
            (None, Source::WholeFilesystem { .. }) => true,
            // A file or folder shares its superblock with much else: that it is mounted says nothing.
            (None, _) => false,
        }
    }
}
