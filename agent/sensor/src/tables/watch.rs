//! What is watched: file systems by device, single files and trees by inode.

use std::collections::HashSet;

use cofferdam_abi::key::InodeKey as AbiInodeKey;
use cofferdam_abi::map::{self, Device, Mark, device, file};
use cofferdam_abi::policy::{object_of_file, object_of_filesystem};
use cofferdam_model::{FilesystemKey, InodeKey};

use super::{TableError, Tables, refused};

/// What a watched file system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    /// Every regular file is a secret.
    pub whole: bool,
    /// With `whole`: a volume of the kubelet, in which `ca.crt` and `namespace` are none.
    pub kubelet: bool,
    /// Single files are secrets.
    pub files: bool,
    /// Trees are secrets.
    pub trees: bool,
}

impl Watch {
    fn flags(self) -> u32 {
        [
            (self.whole, device::WHOLE),
            (self.kubelet, device::KUBELET),
            (self.files, device::FILES),
            (self.trees, device::TREES),
        ]
        .into_iter()
        .filter(|(set, _)| *set)
        .fold(0, |flags, (_, bit)| flags | bit)
    }
}

/// Marks that an agent before has left and that are kept, at most: of files and folders that lay where a secret lies
/// now, and may lie elsewhere. Whether they are still there is not known.
const FORMER_MAX: usize = 4_096;

/// What an agent before has set stays until its trees are marked again.
fn trees_of(known: Device, filesystem: FilesystemKey) -> u64 {
    if known.generation == filesystem.generation { known.trees } else { 0 }
}

/// Small numbers have a slot of their own; slot 0 leads to the table of the others.
fn has_slot(device: u32) -> bool {
    (1..map::DEVICE_SLOTS).contains(&device)
}

impl Tables {
    /// Forgets what an agent before had watched and this one does not: to be called once the secrets are known, so
    /// that those which are still there were never unwatched. What lay where one of these `objects` lies now goes on being
    /// it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn keep_only(
        &mut self,
        filesystems: &HashSet<FilesystemKey>,
        files: &HashSet<InodeKey>,
        objects: &HashSet<u64>,
    ) -> Result<(), TableError> {
        let kept: HashSet<u32> = filesystems.iter().map(|filesystem| filesystem.device).collect();
        for slot in (1..map::DEVICE_SLOTS).filter(|slot| !kept.contains(slot)) {
            if self.slot(slot)?.flags != 0 {
                self.set_slot(slot, Device::default())?;
            }
        }
        let stale: Vec<u32> = self.devices.keys().flatten().filter(|number| !kept.contains(number)).collect();
        for number in stale {
            let _ = self.devices.remove(&number);
        }
        let is_former =
            |mark: Mark| mark.bits & (file::TREE | file::SINGLE) != 0 && objects.contains(&mark.object);
        let others = self.files.iter().flatten().filter(|(key, _)| !files.contains(&model_inode(*key)));
        let (former, mut stale): (Vec<_>, Vec<_>) = others.partition(|(_, mark)| is_former(*mark));
        stale.extend(former.into_iter().skip(FORMER_MAX));
        for (key, _) in stale {
            let _ = self.files.remove(&key);
        }
        self.lead_elsewhere()
    }

    /// Watches a file system.
    ///
    /// # Errors
    /// If the kernel refuses, for instance because the table of devices without a slot is full.
    pub fn watch(&mut self, filesystem: FilesystemKey, watch: Watch) -> Result<(), TableError> {
        let trees = self.trees.get(&filesystem).copied().unwrap_or(0);
        let object = object_of_filesystem(abi_filesystem(filesystem));
        let mut entry = Device { flags: watch.flags(), generation: filesystem.generation, trees, object };
        if has_slot(filesystem.device) {
            entry.trees |= trees_of(self.slot(filesystem.device)?, filesystem);
            return self.set_slot(filesystem.device, entry);
        }
        let known = self.devices.get(&filesystem.device, 0).unwrap_or_default();
        entry.trees |= trees_of(known, filesystem);
        self.devices.insert(filesystem.device, entry, 0).map_err(refused("write", "DEVICES"))?;
        self.elsewhere.insert(filesystem.device);
        self.lead_elsewhere()
    }

    /// Stops watching a file system; one that has taken its device number meanwhile is left alone.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn unwatch(&mut self, filesystem: FilesystemKey) -> Result<(), TableError> {
        if has_slot(filesystem.device) {
            let entry = self.slot(filesystem.device)?;
            return match entry.generation == filesystem.generation {
                true => self.set_slot(filesystem.device, Device::default()),
                false => Ok(()),
            };
        }
        let _ = self.devices.remove(&filesystem.device);
        self.elsewhere.remove(&filesystem.device);
        self.lead_elsewhere()
    }

    fn lead_elsewhere(&mut self) -> Result<(), TableError> {
        let flags = if self.elsewhere.is_empty() { 0 } else { device::ELSEWHERE };
        self.set_slot(0, Device { flags, ..Device::default() })
    }

    fn slot(&self, slot: u32) -> Result<Device, TableError> {
        self.device_slots.get(&slot, 0).map_err(refused("read", "DEVICE_SLOTS"))
    }

    fn set_slot(&mut self, slot: u32, entry: Device) -> Result<(), TableError> {
        self.device_slots.set(slot, entry, 0).map_err(refused("write", "DEVICE_SLOTS"))
    }

    /// The object that a file or folder is by itself, whoever marked it; not because of the folder that it lies in.
    pub fn object_at(&self, key: InodeKey) -> Option<u64> {
        let mark = self.files.get(&abi_inode(key), 0).ok()?;
        (mark.bits & (file::TREE | file::SINGLE) != 0).then_some(mark.object)
    }

    /// Marks a file that is a secret by itself; policies know it by `object`.
    ///
    /// # Errors
    /// If the table is full.
    pub fn mark_single(&mut self, key: InodeKey, object: u64) -> Result<(), TableError> {
        self.mark(key, Mark { object, bits: file::SECRET | file::SINGLE, reserved: 0 })
    }

    /// Marks a file that is secret by the folder that it lies in; policies know that by `object`.
    ///
    /// # Errors
    /// If the table is full.
    pub fn mark_file(&mut self, key: InodeKey, object: u64) -> Result<(), TableError> {
        self.mark(key, Mark { object, bits: file::SECRET, reserved: 0 })
    }

    fn mark(&mut self, key: InodeKey, mark: Mark) -> Result<(), TableError> {
        let index = map::filter_index(key.filesystem.device, key.ino);
        let word = self.filter.get(&index, 0).map_err(refused("read", "FILTER"))?;
        // Bits are never taken back: one too many only costs a lookup.
        self.filter.set(index, word | 1 << (key.ino & 63), 0).map_err(refused("write", "FILTER"))?;
        self.files.insert(abi_inode(key), mark, 0).map_err(refused("write", "FILES"))
    }

    /// Marks a folder whose tree is secret; counts once its file system is watched (again). Policies know it by `object`.
    ///
    /// # Errors
    /// If the table is full.
    pub fn mark_tree(&mut self, key: InodeKey, object: u64) -> Result<(), TableError> {
        *self.trees.entry(key.filesystem).or_default() |= 1 << (key.ino & 63);
        let mark = Mark { object, bits: file::TREE, reserved: 0 };
        self.files.insert(abi_inode(key), mark, 0).map_err(refused("write", "FILES"))
    }

    /// Takes a mark off a file or folder.
    pub fn unmark(&mut self, key: InodeKey) {
        // It may be gone already; then there is nothing to do.
        let _ = self.files.remove(&abi_inode(key));
    }
}

/// The object by which policies know a file, or the tree whose root it is, if it is the first that lies there: what
/// replaces it is the same object.
pub fn object_of(key: InodeKey) -> u64 {
    object_of_file(abi_inode(key))
}

/// The object by which policies know all of a file system.
pub fn object_of_all(filesystem: FilesystemKey) -> u64 {
    object_of_filesystem(abi_filesystem(filesystem))
}

fn abi_filesystem(key: FilesystemKey) -> cofferdam_abi::key::FilesystemKey {
    cofferdam_abi::key::FilesystemKey { device: key.device, generation: key.generation }
}

/// A model key as the kernel's.
pub fn abi_inode(key: InodeKey) -> AbiInodeKey {
    AbiInodeKey {
        ino: key.ino,
        filesystem: abi_filesystem(key.filesystem),
        generation: key.generation,
        reserved: 0,
    }
}

/// The kernel's key as the model's.
pub fn model_inode(key: AbiInodeKey) -> InodeKey {
    InodeKey {
        filesystem: FilesystemKey { device: key.filesystem.device, generation: key.filesystem.generation },
        ino: key.ino,
        generation: key.generation,
    }
}
