//! What the kernel was told to watch: superblocks by device, single files and trees by inode.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_inventory::mounts::Device;
use cofferdam_inventory::volumes::{Source, Volume};
use cofferdam_model::{FilesystemKey, InodeKey, SecretRef};
use cofferdam_sensor::{Query, Tables, Watch, object_of, object_of_all};

use super::views::{Sight, View};
use super::{Placed, Secrets};

/// Files of a secret tree that are marked one by one, so that a hard link elsewhere is still caught; beyond it the
/// tree's roof alone counts.
const MARKED_FILES_MAX: usize = 16_384;
/// Remembered superblocks, those that are no longer mounted included.
const FILESYSTEMS_MAX: usize = 32_768;

/// What the guard is to hold back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Where.
    pub path: PathBuf,
    /// All of its file system, not the file alone.
    pub whole: bool,
}

impl Secrets {
    /// Tells the kernel.
    pub(super) fn watch(
        &mut self,
        volume: &Volume,
        query: &mut Query,
        tables: &mut Tables,
    ) -> Result<(), String> {
        if volume.source == Source::PartOfVolume {
            return Ok(());
        }
        let facts = query.file_itself(&volume.host_path).map_err(|error| error.to_string())?;
        let filesystem = facts.key.filesystem;
        if Device(filesystem.device) != volume.device {
            return Err("something else is mounted over it".to_owned());
        }
        self.make_room(filesystem)?;
        self.newly_watched |= self.is_news(volume, facts.key);
        let mut placed = self.placed(volume, facts.key, tables);
        match volume.source {
            Source::File => {
                tables.mark_single(facts.key, placed.object).map_err(|error| error.to_string())?;
                self.marked.insert(facts.key);
                self.remember(facts.key, volume.secret.clone());
                placed.marks.insert(facts.key);
            }
            Source::Tree => {
                tables.mark_tree(facts.key, placed.object).map_err(|error| error.to_string())?;
                self.marked.insert(facts.key);
                placed.marks.extend(self.mark_below(volume, placed.object, query, tables));
                placed.marks.insert(facts.key);
            }
            Source::WholeFilesystem { .. } | Source::PartOfVolume => {}
        }
        let entry = self.filesystems.entry(filesystem).or_default();
        entry.volumes.retain(|other| other.volume != *volume && !was_expected(&other.volume, volume));
        entry.volumes.push(placed);
        entry.watch = merge(entry.watch, volume.source);
        tables.watch(filesystem, entry.watch).map_err(|error| error.to_string())
    }

    /// A volume whose file or root folder is this one now. What lay there before may lie elsewhere: it goes on being
    /// the secret, because what replaces it is the same object, unless it is one already.
    fn placed(&self, volume: &Volume, key: InodeKey, tables: &Tables) -> Placed {
        let known = self.filesystems.get(&key.filesystem);
        let before = known.and_then(|it| it.volumes.iter().find(|other| other.volume == *volume)).cloned();
        let object = match volume.source {
            Source::File | Source::Tree => tables
                .object_at(key)
                .or(before.as_ref().map(|before| before.object))
                .unwrap_or_else(|| object_of(key)),
            Source::WholeFilesystem { .. } | Source::PartOfVolume => object_of_all(key.filesystem),
        };
        let mut placed = before.unwrap_or_else(|| Placed {
            volume: volume.clone(),
            marks: HashSet::new(),
            object,
            former: BTreeSet::new(),
        });
        placed.former.insert(std::mem::replace(&mut placed.object, object));
        placed.former.remove(&object);
        placed
    }

    /// Whether a volume is not watched yet.
    fn is_news(&self, volume: &Volume, key: InodeKey) -> bool {
        match volume.source {
            Source::WholeFilesystem { .. } => {
                let watch = self.filesystems.get(&key.filesystem).map_or(Watch::default(), |it| it.watch);
                merge(watch, volume.source) != watch
            }
            Source::File | Source::Tree => !self.marked.contains(&key),
            Source::PartOfVolume => false,
        }
    }

    /// Room for one more superblock. Who had its number before is gone.
    fn make_room(&mut self, wanted: FilesystemKey) -> Result<(), String> {
        if self.filesystems.contains_key(&wanted) {
            return Ok(());
        }
        self.filesystems.retain(|key, _| key.device != wanted.device);
        if self.filesystems.len() < FILESYSTEMS_MAX {
            return Ok(());
        }
        self.bounds_hit += 1;
        Err(format!("more than {FILESYSTEMS_MAX} file systems are watched"))
    }

    /// Marks what lies in a secret tree now. A file that is a secret of its own keeps its object.
    fn mark_below(
        &mut self,
        volume: &Volume,
        object: u64,
        query: &mut Query,
        tables: &mut Tables,
    ) -> HashSet<InodeKey> {
        let mut marks = HashSet::new();
        let (files, are_all) = files_below(&volume.host_path);
        self.bounds_hit += u64::from(!are_all);
        for path in files {
            let Ok(facts) = query.file_itself(&path) else { continue };
            if Device(facts.key.filesystem.device) != volume.device {
                continue;
            }
            let key = path.strip_prefix(&volume.host_path).ok().map(|key| key.display().to_string());
            let secret = SecretRef { key, ..volume.secret.clone() };
            if !self.is_single(facts.key)
                && let Err(reason) = tables.mark_file(facts.key, object)
            {
                tracing::warn!(path = %path.display(), %reason, "a secret file is only known by its folder");
                break;
            }
            self.marked.insert(facts.key);
            self.remember(facts.key, secret);
            marks.insert(facts.key);
        }
        marks
    }

    /// Whether a file is named as a secret by itself.
    fn is_single(&self, key: InodeKey) -> bool {
        let Some(watched) = self.filesystems.get(&key.filesystem) else { return false };
        watched.volumes.iter().any(|it| it.volume.source == Source::File && it.marks.contains(&key))
    }

    /// Every secret that the kernel watches, as policies know it: its object, what it is called, where it lies. A file
    /// that also lies in a secret tree is both.
    pub fn objects(&self) -> Vec<(u64, Vec<SecretRef>, PathBuf)> {
        let mut found: BTreeMap<u64, (Vec<SecretRef>, PathBuf)> = BTreeMap::new();
        for watched in self.filesystems.values() {
            for placed in &watched.volumes {
                let mut secrets = vec![placed.volume.secret.clone()];
                if placed.volume.source == Source::File {
                    let around = watched.volumes.iter().filter(|other| {
                        other.volume.source == Source::Tree && !other.marks.is_disjoint(&placed.marks)
                    });
                    secrets.extend(around.map(|other| other.volume.secret.clone()));
                }
                for object in placed.objects() {
                    let first = || (Vec::new(), placed.volume.host_path.clone());
                    found.entry(object).or_insert_with(first).0.extend(secrets.iter().cloned());
                }
            }
        }
        found.into_iter().map(|(object, (secrets, path))| (object, secrets, path)).collect()
    }

    /// Where the guard must hold opens back so that these objects are denied. What the host has mounted no more is looked
    /// for in the containers; what is in none of them nobody can open.
    pub fn guarded_places(&self, query: &mut Query, is_denied: impl Fn(u64) -> bool) -> BTreeSet<Spot> {
        let mut places = BTreeSet::new();
        let mounted: BTreeSet<&Volume> = self.volumes.iter().collect();
        let all =
            self.filesystems.iter().flat_map(|(key, it)| it.volumes.iter().map(|placed| (*key, placed)));
        for (filesystem, placed) in all.filter(|(_, placed)| placed.objects().any(&is_denied)) {
            if mounted.contains(&placed.volume) {
                places.extend(spots(&placed.volume));
                continue;
            }
            let views = || self.views.values();
            match placed.volume.source {
                Source::WholeFilesystem { .. } => {
                    places.extend(left_over(filesystem, &placed.volume, views(), query));
                }
                _ if views().any(|view| view.has(placed.volume.device)) => {
                    places.extend(spots(&placed.volume));
                }
                _ => {}
            }
        }
        places
    }

    /// Everything that the kernel was told to watch: superblocks, single files and folders, and what objects they are.
    pub fn watched(&self) -> (HashSet<FilesystemKey>, HashSet<InodeKey>, HashSet<u64>) {
        let objects = self.filesystems.values().flat_map(|it| &it.volumes).flat_map(Placed::objects);
        (self.filesystems.keys().copied().collect(), self.marked.clone(), objects.collect())
    }

    /// Lets go what nobody else has. The names stay: the counts of the last second are still to come.
    pub(super) fn unmark(&mut self, volume: &Volume, tables: &mut Tables) {
        for watched in self.filesystems.values_mut() {
            let (theirs, others): (Vec<Placed>, Vec<Placed>) =
                watched.volumes.drain(..).partition(|placed| placed.volume == *volume);
            let kept: HashSet<InodeKey> =
                others.iter().flat_map(|placed| placed.marks.iter().copied()).collect();
            for key in theirs.into_iter().flat_map(|placed| placed.marks).filter(|key| !kept.contains(key)) {
                tables.unmark(key);
                self.marked.remove(&key);
            }
            watched.volumes = others;
        }
    }
}

/// Where a volume is held back by its path on the host.
fn spots(volume: &Volume) -> Vec<Spot> {
    let path = volume.host_path.clone();
    match volume.source {
        Source::WholeFilesystem { .. } | Source::PartOfVolume => vec![Spot { path, whole: true }],
        Source::File => vec![Spot { path, whole: false }],
        Source::Tree => files_below(&path).0.into_iter().map(|path| Spot { path, whole: false }).collect(),
    }
}

/// Where a file system that the host has mounted no more is held back: as a container has it. Where that cannot be told,
/// its old place, so that it is told what could not be marked.
fn left_over<'a>(
    wanted: FilesystemKey,
    volume: &Volume,
    views: impl Iterator<Item = &'a View>,
    query: &mut Query,
) -> Vec<Spot> {
    let mut unknown = false;
    for view in views {
        match view.find(wanted, query) {
            Sight::At(path) => return vec![Spot { path, whole: true }],
            Sight::Unknown => unknown = true,
            Sight::None => {}
        }
    }
    if unknown { spots(volume) } else { Vec::new() }
}

fn merge(watch: Watch, source: Source) -> Watch {
    match source {
        Source::WholeFilesystem { kubelet } => {
            // Named twice, once without exceptions: then there are none.
            let kubelet = kubelet && (!watch.whole || watch.kubelet);
            Watch { whole: true, kubelet, ..watch }
        }
        Source::File => Watch { files: true, ..watch },
        Source::Tree => Watch { files: true, trees: true, ..watch },
        Source::PartOfVolume => watch,
    }
}

/// Regular files below a folder, links not followed, bounded; and whether these are all.
pub(super) fn files_below(root: &Path) -> (Vec<PathBuf>, bool) {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            if files.len() + folders.len() >= MARKED_FILES_MAX {
                return (files, false);
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    (files, true)
}

/// Whether a volume that had no owner yet is the one that is seen now, in its container. Secrets of the configuration
/// never have an owner, and several may lie on one mount.
fn was_expected(known: &Volume, seen: &Volume) -> bool {
    known.secret.owner.is_none()
        && seen.secret.owner.is_some()
        && known.mount == seen.mount
        && known.secret.kind == seen.secret.kind
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{SecretKind, WorkloadId};

    use super::*;

    fn volume(kind: SecretKind, name: &str, owner: Option<WorkloadId>) -> Volume {
        let name = name.to_owned();
        let secret = SecretRef { kind, namespace: None, name, pod_uid: None, uid: None, key: None, owner };
        let path = PathBuf::from("/a");
        Volume {
            secret,
            device: Device(1),
            mount: 7,
            root: path.clone(),
            mount_point: path.clone(),
            source: Source::File,
            host_path: path,
            container: None,
        }
    }

    #[test]
    fn what_was_expected_is_replaced_by_what_is_seen_and_a_configured_neighbour_is_not() {
        let of_container = |owner| volume(SecretKind::RunSecrets, "/run/secrets/a", owner);
        let configured = |name| volume(SecretKind::Configured, name, None);
        assert!(was_expected(&of_container(None), &of_container(Some(WorkloadId(3)))));
        assert!(!was_expected(&configured("one"), &configured("two")));
        assert!(!was_expected(&configured("one"), &of_container(Some(WorkloadId(3)))));
    }
}
