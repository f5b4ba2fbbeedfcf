//! Secrets of this node: from what inventory finds to what the kernel watches, and back from a file's key to the
//! secret that it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cofferdam_inventory::mounts::{Device, MountTable};
use cofferdam_inventory::oci_config::DeclaredMount;
use cofferdam_inventory::volume_files;
use cofferdam_inventory::volumes::{
    self, ConfiguredSecret, Source, Volume, VolumeChanges, VolumeOwner, Volumes,
};
use cofferdam_model::{
    BootTime, FilesystemKey, InodeKey, Loss, LossReason, PodUid, Record, SecretKind, SecretRef, WorkloadId,
};
use cofferdam_sensor::{Query, Tables, Watch, object_of, object_of_all};

use crate::containment::guarding::Spot;

/// Files of a secret tree that are marked one by one, so that a hard link elsewhere is still caught; beyond it the
/// tree's roof alone counts.
const MARKED_FILES_MAX: usize = 16_384;
/// Remembered superblocks, those that are no longer mounted included.
const FILESYSTEMS_MAX: usize = 32_768;
/// Remembered single files.
const FILES_MAX: usize = 65_536;

/// What lies at a path: device, inode and, where the file system keeps it, the birth.
type Place = (u64, u64, Option<SystemTime>);

/// What lies on one watched superblock.
#[derive(Debug, Default)]
struct Watched {
    watch: Watch,
    volumes: Vec<Placed>,
}

/// A volume, with what was marked of it one by one.
#[derive(Debug, Clone)]
struct Placed {
    volume: Volume,
    marks: HashSet<InodeKey>,
    /// What policies know it by.
    object: u64,
}

/// Folders that hold the system itself: a mount of one of them is no secret, whatever it is called.
const SYSTEM_FOLDERS: &[&str] = &[
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run",
    "/sbin", "/sys", "/tmp", "/usr", "/var",
];

/// The secrets, and what the kernel was told of them.
pub struct Secrets {
    volumes: Volumes,
    configured: Vec<ConfiguredSecret>,
    filesystems: HashMap<FilesystemKey, Watched>,
    files: HashMap<InodeKey, SecretRef>,
    /// Superblocks in each container's mount table.
    views: HashMap<WorkloadId, BTreeSet<Device>>,
    /// Files and folders that stand in the kernel's table.
    marked: HashSet<InodeKey>,
    /// Volumes that could not be watched, and why; told in `status`.
    failures: HashMap<PathBuf, String>,
    /// What lay at each configured path when they were last looked at.
    places: HashMap<PathBuf, Place>,
    looked: BootTime,
    newly_watched: bool,
    bounds_hit: u64,
    /// Volumes left out, as far as told.
    dropped: u64,
}

impl Secrets {
    /// Nothing is known yet.
    pub fn new(configured: Vec<ConfiguredSecret>) -> Self {
        Self {
            volumes: Volumes::default(),
            configured,
            filesystems: HashMap::new(),
            files: HashMap::new(),
            views: HashMap::new(),
            marked: HashSet::new(),
            failures: HashMap::new(),
            places: HashMap::new(),
            looked: BootTime::from_nanos(0),
            newly_watched: false,
            bounds_hit: 0,
            dropped: 0,
        }
    }

    /// Looks at the host's mounts again: volumes of pods, and what the configuration names.
    pub fn refresh(
        &mut self,
        host: &MountTable,
        query: &mut Query,
        tables: &mut Tables,
        now: BootTime,
    ) -> Vec<Record> {
        let found = volumes::kubelet_volumes(host, &volume_files::csi_driver);
        let mut changes = vec![self.volumes.replace(VolumeOwner::Host, found)];
        let configured = self.configured.iter().flat_map(|secret| {
            if let Some(lies_there) = place(&secret.path) {
                self.places.entry(secret.path.clone()).or_insert(lies_there);
            }
            // Links are resolved anew each time: what the name leads to is the secret.
            let path = fs::canonicalize(&secret.path).unwrap_or_else(|_| secret.path.clone());
            volumes::configured(host, &ConfiguredSecret { path, ..secret.clone() }, &volume_files::kind_of)
        });
        let configured: Vec<Volume> = configured.collect();
        changes.push(self.volumes.replace(VolumeOwner::Configuration, configured));
        changes.into_iter().flat_map(|change| self.apply(change, query, tables, now)).collect()
    }

    /// What a container's configuration declares at or below `/run/secrets`, known before it starts.
    pub fn declared(
        &mut self,
        owner: WorkloadId,
        mounts: &[DeclaredMount],
        host: &MountTable,
        query: &mut Query,
        tables: &mut Tables,
        now: BootTime,
    ) -> Vec<Record> {
        let found = self.located(Some(owner), mounts, host);
        if found.is_empty() {
            return Vec::new();
        }
        let changes = self.volumes.replace(VolumeOwner::Container(owner), found);
        self.apply(changes, query, tables, now)
    }

    /// What a container that is about to start will have mounted: watched already, the owner is told later.
    pub fn expected(
        &mut self,
        mounts: &[DeclaredMount],
        host: &MountTable,
        query: &mut Query,
        tables: &mut Tables,
    ) {
        for volume in self.located(None, mounts, host) {
            if let Err(reason) = self.watch(&volume, query, tables) {
                tracing::warn!(path = %volume.host_path.display(), reason, "a secret cannot be watched");
            }
        }
    }

    /// Declared mounts as volumes.
    fn located(&self, owner: Option<WorkloadId>, mounts: &[DeclaredMount], host: &MountTable) -> Vec<Volume> {
        let known = self.volumes.pod_devices();
        mounts
            .iter()
            .filter_map(|mount| Some((mount, fs::canonicalize(mount.source.as_deref()?).ok()?)))
            .filter(|(_, path)| !SYSTEM_FOLDERS.iter().any(|folder| path == Path::new(folder)))
            .flat_map(|(mount, path)| {
                let at = ConfiguredSecret { name: mount.destination.clone(), path };
                volumes::configured(host, &at, &volume_files::kind_of)
            })
            .filter(|volume| !known.contains(&volume.device))
            .map(|mut volume| {
                volume.secret.kind = SecretKind::RunSecrets;
                volume.secret.owner = owner;
                volume
            })
            .collect()
    }

    /// Whether a superblock was watched for the first time since the last call.
    pub fn take_late(&mut self) -> bool {
        std::mem::take(&mut self.newly_watched)
    }

    /// What a running container's own mount table shows at or below `/run/secrets`, beyond what was declared.
    pub fn mounted_in(
        &mut self,
        owner: WorkloadId,
        pid: u32,
        query: &mut Query,
        tables: &mut Tables,
        now: BootTime,
    ) -> Vec<Record> {
        let Ok(table) = MountTable::read(Path::new(&format!("/proc/{pid}/mountinfo"))) else {
            return Vec::new();
        };
        self.views.insert(owner, table.devices());
        let known = self.volumes.whole_devices();
        let found = volumes::run_secrets(&table, pid, owner, &known, &volume_files::kind_of);
        if found.is_empty() {
            return Vec::new();
        }
        let declared = self.volumes.iter().filter(|volume| volume.secret.owner == Some(owner)).cloned();
        let all = declared.chain(found).collect();
        let changes = self.volumes.replace(VolumeOwner::Container(owner), all);
        self.apply(changes, query, tables, now)
    }

    fn apply(
        &mut self,
        changes: VolumeChanges,
        query: &mut Query,
        tables: &mut Tables,
        now: BootTime,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        if self.volumes.dropped() > std::mem::replace(&mut self.dropped, self.volumes.dropped()) {
            records.push(unwatched(None, now, now));
        }
        for volume in changes.added {
            match self.watch(&volume, query, tables) {
                Ok(()) => drop(self.failures.remove(&volume.host_path)),
                Err(_) if fs::symlink_metadata(&volume.host_path).is_err() => {
                    // Unmounted since the look: whoever goes on using it has it from elsewhere.
                    tracing::debug!(path = %volume.host_path.display(), "a secret is gone already");
                }
                Err(reason) => {
                    tracing::warn!(path = %volume.host_path.display(), reason, "a secret cannot be watched");
                    records.push(unwatched(volume.secret.owner, now, now));
                    self.failures.insert(volume.host_path.clone(), reason);
                }
            }
            // Who has mounted a pod's volume is told once their mount tables were looked at.
            let visible_to = volume.secret.owner.into_iter().collect();
            records.push(record(&volume, visible_to, now, None));
        }
        for volume in &changes.removed {
            self.failures.remove(&volume.host_path);
            records.push(record(volume, Vec::new(), now, Some(now)));
        }
        records
    }

    /// Looks whether something else lies where the configuration names a secret: a file that was replaced by a rename
    /// is another file. Whether it was read in the meantime is not known, and said.
    pub fn replaced(&mut self, now: BootTime) -> Vec<Record> {
        let since = std::mem::replace(&mut self.looked, now);
        let mut changed = false;
        for secret in &self.configured {
            let Some(lies_there) = place(&secret.path) else { continue };
            let lay_there = self.places.insert(secret.path.clone(), lies_there);
            changed |= lay_there != Some(lies_there);
        }
        if !changed {
            return Vec::new();
        }
        // The next look finds all of them anew.
        self.volumes.replace(VolumeOwner::Configuration, Vec::new());
        vec![unwatched(None, since, now)]
    }

    /// A container has ended: what was mounted for it alone is gone. Files that are marked one by one and that nobody
    /// else has are let go; a superblock stays watched until another file system takes its number, because a
    /// descriptor may keep it alive.
    pub fn ended(&mut self, owner: WorkloadId, tables: &mut Tables, now: BootTime) -> Vec<Record> {
        let gone = self.volumes.replace(VolumeOwner::Container(owner), Vec::new()).removed;
        let single = |volume: &&Volume| matches!(volume.source, Source::File | Source::Tree);
        for volume in gone.iter().filter(single) {
            self.failures.remove(&volume.host_path);
            self.unmark(volume, tables);
        }
        gone.iter().map(|volume| record(volume, Vec::new(), now, Some(now))).collect()
    }

    /// Lets go what nobody else has. The names stay: the counts of the last second are still to come.
    fn unmark(&mut self, volume: &Volume, tables: &mut Tables) {
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

    /// Records of every volume of a pod, with those of its containers that have it mounted.
    pub fn of_pod(&self, pod: &PodUid, containers: &[WorkloadId], now: BootTime) -> Vec<Record> {
        let has = |container: &WorkloadId, volume: &Volume| {
            self.views.get(container).is_some_and(|devices| devices.contains(&volume.device))
        };
        let of_pod = self.volumes.iter().filter(|volume| volume.secret.pod_uid.as_ref() == Some(pod));
        of_pod
            .map(|volume| {
                let visible_to =
                    containers.iter().filter(|container| has(container, volume)).copied().collect();
                record(volume, visible_to, now, None)
            })
            .collect()
    }

    /// Records of every volume that is there, with the container that it is of.
    pub fn present(&self, now: BootTime) -> Vec<Record> {
        let owner = |volume: &Volume| volume.secret.owner.into_iter().collect();
        self.volumes.iter().map(|volume| record(volume, owner(volume), now, None)).collect()
    }

    /// Whether a container's mount table was looked at.
    pub fn has_view(&self, container: WorkloadId) -> bool {
        self.views.contains_key(&container)
    }

    /// Forgets a container.
    pub fn forget_view(&mut self, container: WorkloadId) {
        self.views.remove(&container);
    }

    /// Tells the kernel.
    fn watch(&mut self, volume: &Volume, query: &mut Query, tables: &mut Tables) -> Result<(), String> {
        if volume.source == Source::PartOfVolume {
            return Ok(());
        }
        let facts = query.file(&volume.host_path).map_err(|error| error.to_string())?;
        let filesystem = facts.key.filesystem;
        if Device(filesystem.device) != volume.device {
            return Err("something else is mounted over it".to_owned());
        }
        self.make_room(filesystem)?;
        let mut marks = HashSet::new();
        let object = match volume.source {
            Source::File | Source::Tree => object_of(facts.key),
            Source::WholeFilesystem { .. } | Source::PartOfVolume => object_of_all(filesystem),
        };
        match volume.source {
            Source::File => {
                self.mark(facts.key, object, volume.secret.clone(), tables)?;
                marks.insert(facts.key);
            }
            Source::Tree => {
                tables.mark_tree(facts.key).map_err(|error| error.to_string())?;
                self.marked.insert(facts.key);
                marks = self.mark_below(volume, object, query, tables);
                marks.insert(facts.key);
            }
            Source::WholeFilesystem { .. } | Source::PartOfVolume => {}
        }
        let entry = self.filesystems.entry(filesystem).or_default();
        self.newly_watched |= merge(entry.watch, volume.source) != entry.watch;
        entry.volumes.retain(|other| other.volume != *volume && !was_expected(&other.volume, volume));
        entry.volumes.push(Placed { volume: volume.clone(), marks, object });
        entry.watch = merge(entry.watch, volume.source);
        tables.watch(filesystem, entry.watch).map_err(|error| error.to_string())
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

    fn mark(
        &mut self,
        key: InodeKey,
        object: u64,
        secret: SecretRef,
        tables: &mut Tables,
    ) -> Result<(), String> {
        tables.mark_file(key, object).map_err(|error| error.to_string())?;
        self.marked.insert(key);
        self.remember(key, secret);
        Ok(())
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
        for path in files_below(&volume.host_path) {
            let Ok(facts) = query.file(&path) else { continue };
            if Device(facts.key.filesystem.device) != volume.device {
                continue;
            }
            let key = path.strip_prefix(&volume.host_path).ok().map(|key| key.display().to_string());
            let secret = SecretRef { key, ..volume.secret.clone() };
            let object = if self.is_single(facts.key) { object_of(facts.key) } else { object };
            if let Err(reason) = self.mark(facts.key, object, secret, tables) {
                tracing::warn!(path = %path.display(), reason, "a secret file is only known by its folder");
                break;
            }
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
                let of_it = &mut found
                    .entry(placed.object)
                    .or_insert_with(|| (Vec::new(), placed.volume.host_path.clone()))
                    .0;
                of_it.push(placed.volume.secret.clone());
                if placed.volume.source == Source::File {
                    let around = watched.volumes.iter().filter(|other| {
                        other.volume.source == Source::Tree && !other.marks.is_disjoint(&placed.marks)
                    });
                    of_it.extend(around.map(|other| other.volume.secret.clone()));
                }
            }
        }
        found.into_iter().map(|(object, (secrets, path))| (object, secrets, path)).collect()
    }

    /// Where the guard must hold opens back so that these objects are denied.
    pub fn guarded_places(&self, is_denied: impl Fn(u64) -> bool) -> BTreeSet<Spot> {
        let mut places = BTreeSet::new();
        for placed in self.filesystems.values().flat_map(|it| &it.volumes).filter(|it| is_denied(it.object)) {
            let path = placed.volume.host_path.clone();
            match placed.volume.source {
                Source::WholeFilesystem { .. } | Source::PartOfVolume => {
                    places.extend([Spot { path, whole: true }])
                }
                Source::File => drop(places.insert(Spot { path, whole: false })),
                Source::Tree => {
                    places.extend(files_below(&path).into_iter().map(|path| Spot { path, whole: false }))
                }
            }
        }
        places
    }

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
        for path in files_below(&volume.host_path) {
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

    fn remember(&mut self, key: InodeKey, secret: SecretRef) {
        if self.files.len() >= FILES_MAX {
            self.files.retain(|key, _| self.filesystems.contains_key(&key.filesystem));
        }
        if self.files.len() < FILES_MAX {
            self.files.insert(key, secret);
        } else {
            self.bounds_hit += 1;
        }
    }

    /// Everything that the kernel was told to watch: superblocks, and single files and folders.
    pub fn watched(&self) -> (HashSet<FilesystemKey>, HashSet<InodeKey>) {
        (self.filesystems.keys().copied().collect(), self.marked.clone())
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

    /// Secrets that were left out because there are too many.
    pub fn left_out(&self) -> u64 {
        self.bounds_hit + self.volumes.dropped()
    }

    /// How many volumes are known.
    pub fn len(&self) -> usize {
        self.volumes.iter().count()
    }

    /// What cannot be watched, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&PathBuf, &String)> {
        self.failures.iter()
    }
}

fn record(volume: &Volume, visible_to: Vec<WorkloadId>, now: BootTime, until: Option<BootTime>) -> Record {
    Record::Secret {
        secret: volume.secret.clone(),
        path: Some(volume.host_path.display().to_string()),
        visible_to,
        since: now,
        until,
    }
}

fn place(path: &Path) -> Option<Place> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.created().ok()))
}

/// A secret that was not watched for a time.
fn unwatched(owner: Option<WorkloadId>, since: BootTime, until: BootTime) -> Record {
    let (hook, reason) = ("open".to_owned(), LossReason::Unwatched);
    Record::Loss(Loss { since, until, hook, workload: owner, reason, count: 1 })
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

/// Regular files below a folder, links not followed, bounded.
fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            if files.len() + folders.len() >= MARKED_FILES_MAX {
                return files;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
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
    use cofferdam_model::SecretKind;

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
