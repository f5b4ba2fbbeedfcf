//! From a file's key back to the secret that it is.

use cofferdam_inventory::volumes::{self, Source, Volume};
use cofferdam_model::{InodeKey, SecretRef};
use cofferdam_sensor::Query;

use super::marks::files_below;
use super::{Placed, Secrets};

/// Remembered single files.
const FILES_MAX: usize = 65_536;

impl Secrets {
    /// The secret that a file is. `names` go from the file up to the root of its file system; where they are missing
    /// (an event that was deferred), the files of its volumes are looked through.
    pub fn resolve(&mut self, key: InodeKey, names: &[String], query: &mut Query) -> Option<SecretRef> {
        if let Some(secret) = self.files.get(&key) {
            return Some(secret.clone());
        }
        let watched = self.filesystems.get(&key.filesystem)?;
        if names.is_empty() {
            for placed in watched.volumes.clone() {
                self.learn(&placed.volume, query);
            }
            if let Some(secret) = self.files.get(&key) {
                return Some(secret.clone());
            }
        }
        let watched = self.filesystems.get(&key.filesystem)?;
        let holds = |placed: &&Placed| match placed.volume.source {
            Source::File => placed.marks.contains(&key),
            Source::PartOfVolume => false,
            Source::Tree | Source::WholeFilesystem { .. } => true,
        };
        let volume = watched
            .volumes
            .iter()
            .filter(holds)
            .map(|placed| &placed.volume)
            .max_by_key(|volume| (volume.key(names).is_some(), volume.root.as_os_str().len()))?;
        let secret = SecretRef { key: volume.key(names), ..volume.secret.clone() };
        if secret.key.is_some() {
            self.remember(key, secret.clone());
        }
        Some(secret)
    }

    /// Learns which inode is which key of a volume.
    fn learn(&mut self, volume: &Volume, query: &mut Query) {
        for path in files_below(&volume.host_path).0 {
            let (Ok(facts), Ok(inside)) = (query.file(&path), path.strip_prefix(&volume.host_path)) else {
                continue;
            };
            let names: Vec<_> = inside
                .components()
                .rev()
                .map(|name| name.as_os_str().to_string_lossy().into_owned())
                .collect();
            let key = volumes::key_of(&names);
            self.remember(facts.key, SecretRef { key, ..volume.secret.clone() });
        }
    }

    pub(super) fn remember(&mut self, key: InodeKey, secret: SecretRef) {
        if self.files.len() >= FILES_MAX {
            self.files.retain(|key, _| self.filesystems.contains_key(&key.filesystem));
        }
        if self.files.len() < FILES_MAX {
            self.files.insert(key, secret);
        } else {
            self.bounds_hit += 1;
        }
    }

    /// Superblocks whose files are wanted when open descriptors are looked through.
    pub fn devices(&self) -> Vec<u32> {
        self.filesystems.keys().map(|filesystem| filesystem.device).collect()
    }

    /// Whether a file is a secret, by what the kernel was told.
    pub fn is_secret(&self, key: InodeKey, name: &str) -> bool {
        if self.files.contains_key(&key) {
            return true;
        }
        let Some(watched) = self.filesystems.get(&key.filesystem) else { return false };
        watched.watch.whole && !(watched.watch.kubelet && matches!(name, "ca.crt" | "namespace"))
    }
}
