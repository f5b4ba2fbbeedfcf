//! Where this node's secrets are mounted: found in mount tables and configuration, pure.
//!
//! A volume is known by its superblock, never by the path that a process uses. Names of keys come from paths inside
//! the volume; contents are not read.

mod set;

pub use set::{VOLUMES_MAX, VolumeChanges, VolumeOwner, Volumes};

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use cofferdam_model::{PodUid, SecretKind, SecretRef, WorkloadId};

use crate::mounts::{Device, Mount, MountTable};

/// CSI drivers whose volumes hold secrets.
pub const SECRET_CSI_DRIVERS: &[&str] = &[
    "secrets-store.csi.k8s.io",
    "csi.cert-manager.io",
    "spiffe.csi.cert-manager.io",
    "csi.spiffe.io",
    "csi.vso.hashicorp.com",
    "secrets.csi.kubevault.com",
    "csi.sharedresource.openshift.io",
];

/// How much of a file system is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Every file of it.
    WholeFilesystem {
        /// The kubelet fills it: `ca.crt` and `namespace` in it are no secrets.
        kubelet: bool,
    },
    /// The one file at `root`.
    File,
    /// The folder at `root` and all below it.
    Tree,
    /// A part of a volume that stands in the set itself: nothing more to watch.
    PartOfVolume,
}

/// A secret at a place where it can be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Volume {
    /// The secret; with a key only where the mount is of one key alone.
    pub secret: SecretRef,
    /// The superblock.
    pub device: Device,
    /// The mount's number, so that an unmount and a mount between two looks are told apart.
    pub mount: u64,
    /// Where the secret lies within its file system; `/` for all of it.
    pub root: PathBuf,
    /// Where it is mounted, as its mount namespace sees it.
    pub mount_point: PathBuf,
    /// How much is secret.
    pub source: Source,
    /// Where the agent can open it.
    pub host_path: PathBuf,
    /// The one container that it was mounted for (subPath), by its name in the pod.
    pub container: Option<String>,
}

impl Volume {
    /// The key that a file of this volume stands for, given the names from the file up to the root of its file
    /// system as the kernel reports them. `None` if the file lies elsewhere or the volume has no keys.
    pub fn key<S: AsRef<str>>(&self, names: &[S]) -> Option<String> {
        match self.source {
            Source::File => self.secret.key.clone(),
            Source::PartOfVolume => None,
            Source::WholeFilesystem { .. } => key_of(names),
            Source::Tree => key_of(&names[..self.names_below_root(names)?]),
        }
    }

    /// How many of the names lie below `root`, if the others are `root`.
    fn names_below_root<S: AsRef<str>>(&self, names: &[S]) -> Option<usize> {
        let root: Vec<_> = normal_components(&self.root).collect();
        let below = names.len().checked_sub(root.len())?;
        let same = names[below..].iter().rev().zip(&root).all(|(name, of_root)| name.as_ref() == *of_root);
        same.then_some(below)
    }
}

/// The key that a file stands for: its path within the volume, without the folder of the current `..data`.
/// `names` go from the file up to the root of its file system.
pub fn key_of<S: AsRef<str>>(names: &[S]) -> Option<String> {
    let mut path: Vec<&str> =
        names.iter().rev().map(AsRef::as_ref).filter(|name| !matches!(*name, "" | "/")).collect();
    if path.first().is_some_and(|first| first.len() > 2 && first.starts_with("..")) {
        path.remove(0); // `..data`, `..2026_11_22_04_39_36.4099462831`
    }
    (!path.is_empty()).then(|| path.join("/"))
}

/// Whether a path in a container is `/run/secrets` or lies below it.
pub fn is_below_run_secrets(path: &Path) -> bool {
    path.starts_with("/run/secrets") || path.starts_with("/var/run/secrets")
}

/// The volumes of pods in the host's mount table: Secret and projected volumes, volumes of secret CSI drivers and
/// subPath mounts of those, below any kubelet's root folder.
///
/// `csi_driver` tells the driver of a CSI volume from its `vol_data.json`, given the folder that holds it.
pub fn kubelet_volumes(host: &MountTable, csi_driver: &dyn Fn(&Path) -> Option<String>) -> Vec<Volume> {
    let mut found: Vec<Volume> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut devices = BTreeSet::new();
    for mount in &host.mounts {
        let Some(path) = kubelet_path(&mount.mount_point) else { continue };
        let Some(kind) = path.secret_kind(mount, csi_driver) else { continue };
        let source = if mount.root == Path::new("/") {
            devices.insert(mount.device);
            Source::WholeFilesystem { kubelet: kind != SecretKind::Csi }
        } else {
            Source::Tree
        };
        let volume = volume(pod_secret(kind, &path, None), mount, source);
        // With mount propagation the same volume stands in the table several times.
        if seen.insert((volume.device, volume.secret.clone())) {
            found.push(volume);
        }
    }
    for mount in host.mounts.iter().filter(|mount| devices.contains(&mount.device)) {
        let Some(path) = kubelet_path(&mount.mount_point) else { continue };
        let KubeletFolder::SubPath { container } = path.folder else { continue };
        let key = key_of_root(&mount.root);
        let mut volume = volume(pod_secret(SecretKind::SubPath, &path, key), mount, Source::PartOfVolume);
        volume.container = Some(container.to_owned());
        found.push(volume);
    }
    found
}

/// What kind of thing a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// Anything else.
    File,
}

/// Secrets of one container: mounts at or below its `/run/secrets` that are not found otherwise. `known` are
/// superblocks that are secret as a whole (volumes of pods); a disk with one configured file on it is none of them.
///
/// `container` is the mount table of one of its processes, `pid` that process; `kind_of` looks at a host path.
pub fn run_secrets(
    container: &MountTable,
    pid: u32,
    owner: WorkloadId,
    known: &BTreeSet<Device>,
    kind_of: &dyn Fn(&Path) -> Option<FileKind>,
) -> Vec<Volume> {
    let secret = |mount: &Mount| SecretRef {
        kind: SecretKind::RunSecrets,
        namespace: None,
        name: mount.mount_point.to_string_lossy().into_owned(),
        pod_uid: None,
        uid: None,
        key: None,
        owner: Some(owner),
    };
    let wanted = |mount: &&Mount| is_below_run_secrets(&mount.mount_point) && !known.contains(&mount.device);
    let located = |mount: &Mount| {
        let inside = mount.mount_point.strip_prefix("/").unwrap_or(&mount.mount_point);
        let host_path = Path::new("/proc").join(pid.to_string()).join("root").join(inside);
        let whole = mount.root == Path::new("/") && matches!(mount.fstype.as_str(), "tmpfs" | "ramfs");
        let source = match (whole, kind_of(&host_path)) {
            (true, _) => Source::WholeFilesystem { kubelet: false },
            (false, Some(FileKind::Folder)) => Source::Tree,
            (false, _) => Source::File,
        };
        Volume { host_path, ..volume(secret(mount), mount, source) }
    };
    container.mounts.iter().filter(wanted).map(located).collect()
}

/// A secret named in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredSecret {
    /// Its name.
    pub name: String,
    /// A file, a mount or a folder, absolute.
    pub path: PathBuf,
}

/// Where one configured secret lies: its file or folder, and whatever is mounted below that. Empty while the path
/// does not exist. `secret.path` must have its symbolic links resolved.
pub fn configured(
    host: &MountTable,
    secret: &ConfiguredSecret,
    kind_of: &dyn Fn(&Path) -> Option<FileKind>,
) -> Vec<Volume> {
    let (Some(kind), Some(mount)) = (kind_of(&secret.path), host.containing(&secret.path)) else {
        return Vec::new();
    };
    let reference = SecretRef {
        kind: SecretKind::Configured,
        namespace: None,
        name: secret.name.clone(),
        pod_uid: None,
        uid: None,
        key: None,
        owner: None,
    };
    let whole_mount = |mount: &Mount| match mount.root == Path::new("/") {
        true => Source::WholeFilesystem { kubelet: false },
        false => Source::Tree,
    };
    let source = match kind {
        FileKind::File => Source::File,
        FileKind::Folder if mount.mount_point == secret.path => whole_mount(mount),
        FileKind::Folder => Source::Tree,
    };
    let inside = secret.path.strip_prefix(&mount.mount_point).unwrap_or(Path::new(""));
    let root = if inside.as_os_str().is_empty() { mount.root.clone() } else { mount.root.join(inside) };
    let mut found =
        vec![Volume { root, host_path: secret.path.clone(), ..volume(reference.clone(), mount, source) }];
    let below = |other: &&Mount| {
        other.mount_point != secret.path
            && other.mount_point.starts_with(&secret.path)
            && host.containing(&other.mount_point).is_some_and(|visible| visible.id == other.id)
    };
    for mount in host.mounts.iter().filter(below) {
        let source = match kind_of(&mount.mount_point) {
            Some(FileKind::File) => Source::File,
            _ => whole_mount(mount),
        };
        found.push(volume(reference.clone(), mount, source));
    }
    found
}

fn volume(secret: SecretRef, mount: &Mount, source: Source) -> Volume {
    Volume {
        secret,
        device: mount.device,
        mount: mount.id,
        root: mount.root.clone(),
        mount_point: mount.mount_point.clone(),
        source,
        host_path: mount.mount_point.clone(),
        container: None,
    }
}

fn pod_secret(kind: SecretKind, path: &KubeletPath<'_>, key: Option<String>) -> SecretRef {
    SecretRef {
        kind,
        namespace: None,
        name: path.volume.to_owned(),
        pod_uid: Some(path.pod_uid.clone()),
        uid: None,
        key,
        owner: None,
    }
}

/// The key that a mount's root is, e.g. `/..2026_11_22/pass`; the kernel appends `//deleted` once it is unlinked.
fn key_of_root(root: &Path) -> Option<String> {
    let text = root.to_string_lossy();
    let text = text.strip_suffix("//deleted").unwrap_or(&text);
    let names: Vec<&str> = text.split('/').rev().collect();
    key_of(&names)
}

enum KubeletFolder<'p> {
    Volume { plugin: &'p str, folder: &'p Path },
    SubPath { container: &'p str },
}

/// `<any kubelet root>/pods/<UID>/volumes/<plugin>/<volume>[/mount]` or
/// `<any kubelet root>/pods/<UID>/volume-subpaths/<volume>/<container>/<n>`
struct KubeletPath<'p> {
    pod_uid: PodUid,
    volume: &'p str,
    folder: KubeletFolder<'p>,
}

impl KubeletPath<'_> {
    fn secret_kind(&self, mount: &Mount, csi_driver: &dyn Fn(&Path) -> Option<String>) -> Option<SecretKind> {
        let KubeletFolder::Volume { plugin, folder } = self.folder else { return None };
        match plugin {
            "kubernetes.io~secret" if mount.fstype == "tmpfs" => Some(SecretKind::SecretVolume),
            "kubernetes.io~projected" if mount.fstype == "tmpfs" => Some(SecretKind::Projected),
            "kubernetes.io~csi" => csi_driver(folder)
                .filter(|driver| SECRET_CSI_DRIVERS.contains(&driver.as_str()))
                .map(|_| SecretKind::Csi),
            _ => None,
        }
    }
}

fn kubelet_path(path: &Path) -> Option<KubeletPath<'_>> {
    let names: Vec<&str> = normal_components(path).collect();
    let pods = names.windows(2).rposition(|pair| pair[0] == "pods" && pair[1].parse::<PodUid>().is_ok())?;
    let pod_uid = names[pods + 1].parse().ok()?;
    match names[pods + 2..] {
        ["volumes", plugin, volume] => {
            Some(KubeletPath { pod_uid, volume, folder: KubeletFolder::Volume { plugin, folder: path } })
        }
        ["volumes", plugin @ "kubernetes.io~csi", volume, "mount"] => {
            let folder = KubeletFolder::Volume { plugin, folder: path.parent()? };
            Some(KubeletPath { pod_uid, volume, folder })
        }
        ["volume-subpaths", volume, container, _number] => {
            Some(KubeletPath { pod_uid, volume, folder: KubeletFolder::SubPath { container } })
        }
        _ => None,
    }
}

fn normal_components(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_str().unwrap_or("\u{fffd}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
