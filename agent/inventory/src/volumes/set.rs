//! The volumes known now, and from whom each was learnt.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::WorkloadId;

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

    /// What `owner` showed last.
    pub fn of(&self, owner: VolumeOwner) -> impl Iterator<Item = &Volume> {
        self.by_owner.get(&owner).into_iter().flatten()
    }

    /// Superblocks of pods' volumes, which containers show too.
    pub fn pod_devices(&self) -> BTreeSet<Device> {
        self.of(VolumeOwner::Host).map(|volume| volume.device).collect()
    }

    /// Superblocks that are secret as a whole, whoever showed them: `known` for [`super::run_secrets`].
    pub fn whole_devices(&self) -> BTreeSet<Device> {
        let whole = |volume: &&Volume| matches!(volume.source, Source::WholeFilesystem { .. });
        self.iter().filter(whole).map(|volume| volume.device).collect()
    }

    /// How often a volume was left out because [`VOLUMES_MAX`] was reached.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
