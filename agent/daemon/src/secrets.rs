//! Secrets of this node: from what inventory finds to what the kernel watches, and back from a file's key to the
//! secret that it is.

mod known;
mod links;
mod marks;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cofferdam_inventory::mounts::MountTable;
use cofferdam_inventory::oci_config::DeclaredMount;
use cofferdam_inventory::volume_files;
use cofferdam_inventory::volumes::{
    self, ConfiguredSecret, Source, Volume, VolumeChanges, VolumeOwner, Volumes,
};
use cofferdam_model::{
    BootTime, FilesystemKey, InodeKey, Loss, LossReason, PodUid, Record, SecretKind, SecretRef, WorkloadId,
};
use cofferdam_sensor::{Query, Tables, Watch};

pub use marks::Spot;

use self::links::{Lost, Way, follow};
use self::views::View;
use crate::host::MOUNTS;

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
    /// As what policies know other files or folders that lay there before.
    former: BTreeSet<u64>,
}

impl Placed {
    /// Whatever policies know it by.
    fn objects(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.object).chain(self.former.iter().copied())
    }
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
    /// What each running container has mounted.
    views: HashMap<WorkloadId, View>,
    /// Files and folders that stand in the kernel's table.
    marked: HashSet<InodeKey>,
    /// Volumes that could not be watched, and why; told in `status`.
    failures: HashMap<PathBuf, String>,
    /// What lay at each configured path when they were last looked at.
    places: HashMap<PathBuf, Place>,
    /// Symbolic links on the way to each configured path when it was first looked at.
    links: HashMap<PathBuf, BTreeSet<PathBuf>>,
    /// Configured paths on which a link has come since, and what is told of that.
    linked: BTreeMap<PathBuf, String>,
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
            links: HashMap::new(),
            linked: BTreeMap::new(),
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
        let mut configured = Vec::new();
        for secret in self.configured.clone() {
            match self.way_to(&secret.path) {
                Ok(path) => {
                    if let Some(lies_there) = place(&path) {
                        self.places.entry(secret.path).or_insert(lies_there);
                    }
                    let secret = ConfiguredSecret { path, ..secret };
                    configured.extend(volumes::configured(host, &secret, &volume_files::kind_of));
                }
                Err(Lost::Link(_)) => {
                    let known = self.volumes.of(VolumeOwner::Configuration);
                    configured.extend(known.filter(|volume| volume.secret.name == secret.name).cloned());
                }
                Err(Lost::Gone(_)) => {}
            }
        }
        changes.push(self.volumes.replace(VolumeOwner::Configuration, configured));
        changes.into_iter().flat_map(|change| self.apply(change, query, tables, now)).collect()
    }

    /// Where a configured path leads now. Links are resolved anew each time: what the name leads to is the secret.
    fn way_to(&mut self, path: &Path) -> Result<PathBuf, Lost> {
        match follow(path, self.links.get(path)) {
            Ok(Way { end, links }) => {
                self.links.entry(path.to_owned()).or_insert(links);
                self.linked.remove(path);
                Ok(end)
            }
            Err(lost) => {
                if let Lost::Link(_) = lost {
                    self.linked.insert(path.to_owned(), lost.to_string());
                }
                Err(lost)
            }
        }
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

    /// Whether something came to be watched since the last call that had not been before. What a container has mounted
    /// into itself does not count: it was empty.
    pub fn take_newly_watched(&mut self) -> bool {
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
        self.views.insert(owner, View::new(pid, &table));
        let known = self.volumes.whole_devices();
        let found = volumes::run_secrets(&table, pid, owner, &known, &volume_files::kind_of);
        if found.is_empty() {
            return Vec::new();
        }
        let was_empty = found.iter().all(is_own_memory);
        let declared = self.volumes.iter().filter(|volume| volume.secret.owner == Some(owner)).cloned();
        let all = declared.chain(found).collect();
        let changes = self.volumes.replace(VolumeOwner::Container(owner), all);
        let records = self.apply(changes, query, tables, now);
        self.newly_watched &= !was_empty;
        records
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
            // The same secret may be there by another path: what a container declared lies in its own mounts once it
            // runs.
            if !self.volumes.iter().any(|other| other.secret == volume.secret) {
                records.push(record(volume, Vec::new(), now, Some(now)));
            }
        }
        records
    }

    /// Looks whether something else lies where the configuration names a secret: a file that was replaced by a rename
    /// is another file. Whether it was read in the meantime is not known, and said.
    pub fn replaced(&mut self, now: BootTime) -> Vec<Record> {
        let since = std::mem::replace(&mut self.looked, now);
        let were_linked = self.linked.len();
        let mut changed = HashSet::new();
        for secret in self.configured.clone() {
            let Some(lies_there) = self.way_to(&secret.path).ok().and_then(|path| place(&path)) else {
                continue;
            };
            if self.places.insert(secret.path, lies_there) != Some(lies_there) {
                changed.insert(secret.name);
            }
        }
        if changed.is_empty() && self.linked.len() <= were_linked {
            return Vec::new();
        }
        // The next look finds them anew.
        let same = self.volumes.of(VolumeOwner::Configuration);
        let same = same.filter(|volume| !changed.contains(&volume.secret.name)).cloned().collect();
        self.volumes.replace(VolumeOwner::Configuration, same);
        vec![unwatched(None, since, now)]
    }

    /// A container has ended: what was mounted for it alone is gone. Files that are marked one by one and that nobody
    /// else has are let go; a superblock stays watched until another file system takes its number, because a
    /// descriptor may keep it alive.
    pub fn ended(&mut self, owner: WorkloadId, tables: &mut Tables, now: BootTime) -> Vec<Record> {
        self.views.remove(&owner);
        let gone = self.volumes.replace(VolumeOwner::Container(owner), Vec::new()).removed;
        let single = |volume: &&Volume| matches!(volume.source, Source::File | Source::Tree);
        for volume in gone.iter().filter(single) {
            self.failures.remove(&volume.host_path);
            self.unmark(volume, tables);
        }
        gone.iter().map(|volume| record(volume, Vec::new(), now, Some(now))).collect()
    }

    /// Records of every volume of a pod, with those of its containers that have it mounted.
    pub fn of_pod(&self, pod: &PodUid, containers: &[WorkloadId], now: BootTime) -> Vec<Record> {
        let has = |container: &WorkloadId, volume: &Volume| {
            self.views.get(container).is_some_and(|view| view.has(volume.device))
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
        self.failures.iter().chain(&self.linked)
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

/// What lies at the end of a way.
fn place(path: &Path) -> Option<Place> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.created().ok()))
}

/// Whether a container has mounted memory of its own there, and not some that the host has filled.
fn is_own_memory(volume: &Volume) -> bool {
    matches!(volume.source, Source::WholeFilesystem { .. })
        && MountTable::read(Path::new(MOUNTS)).is_ok_and(|host| !host.devices().contains(&volume.device))
}

/// A secret that was not watched for a time.
fn unwatched(owner: Option<WorkloadId>, since: BootTime, until: BootTime) -> Record {
    let (hook, reason) = ("open".to_owned(), LossReason::Unwatched);
    Record::Loss(Loss { since, until, hook, workload: owner, reason, count: 1 })
}
