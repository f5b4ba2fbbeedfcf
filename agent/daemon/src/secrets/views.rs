//! What containers have mounted: a volume outlives its place on the host there, as when a pod is being deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cofferdam_inventory::mounts::{Device, MountTable};
use cofferdam_model::FilesystemKey;
use cofferdam_sensor::{Query, Root};

/// A container's mounts as they were when its own program began.
pub(super) struct View {
    pid: u32,
    /// A place of each superblock, as the container sees it.
    places: BTreeMap<Device, PathBuf>,
}

/// Whether a container has a file system.
pub(super) enum Sight {
    /// There, by a path of the host's.
    At(PathBuf),
    /// It does not.
    None,
    /// It cannot be told.
    Unknown,
}

impl View {
    /// Of a process of the container.
    pub(super) fn new(pid: u32, table: &MountTable) -> Self {
        let places = table.mounts.iter().map(|mount| (mount.device, mount.mount_point.clone())).collect();
        Self { pid, places }
    }

    /// Whether a file system with this number is mounted there. Numbers are given again.
    pub(super) fn has(&self, device: Device) -> bool {
        self.places.contains_key(&device)
    }

    /// Looks for this very file system.
    pub(super) fn find(&self, wanted: FilesystemKey, query: &mut Query) -> Sight {
        let Some(place) = self.places.get(&Device(wanted.device)) else { return Sight::None };
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        let found = Root::open(&root).ok().and_then(|root| query.file_in(&root, place).ok());
        match found {
            Some((facts, inside)) if facts.key.filesystem == wanted => {
                Sight::At(root.join(inside.strip_prefix("/").unwrap_or(Path::new(""))))
            }
            // A number is one file system's at a time: the wanted one is gone.
            Some((facts, _)) if facts.key.filesystem.device == wanted.device => Sight::None,
            // Whoever mounts something over it has it still.
            Some(_) | None => Sight::Unknown,
        }
    }
}
