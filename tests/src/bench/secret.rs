//! Secrets: random values in tmpfs mounts, laid out as those who provide them do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cofferdam_model::SecretKind;

use super::{Mounted, Place, random};

/// Companions of a token that are no secrets.
const PUBLIC: &[&str] = &["ca.crt", "namespace"];

/// A secret on a tmpfs of its own; unmounted on drop.
#[derive(Debug)]
pub struct Secret {
    /// As the agent names it.
    name: String,
    kind: SecretKind,
    pod_uid: Option<String>,
    folder: PathBuf,
    values: BTreeMap<String, String>,
    rotation: u32,
    mounted: Option<Mounted>,
}

impl Secret {
    /// A Secret volume of some pod, where the kubelet mounts it.
    ///
    /// # Errors
    /// If it cannot be mounted or filled.
    pub fn volume(place: &Place, name: &str, keys: &[&str]) -> Result<Self> {
        Self::of_pod(place, &random::uuid()?, name, keys)
    }

    /// A Secret volume of this pod.
    ///
    /// # Errors
    /// As [`Self::volume`].
    pub fn of_pod(place: &Place, pod_uid: &str, name: &str, keys: &[&str]) -> Result<Self> {
        Self::kubelet(place, SecretKind::SecretVolume, pod_uid, name, keys)
    }

    /// A projected service-account token with its companions `ca.crt` and `namespace`.
    ///
    /// # Errors
    /// As [`Self::volume`].
    pub fn token(place: &Place, name: &str) -> Result<Self> {
        let keys: Vec<&str> = ["token"].iter().chain(PUBLIC).copied().collect();
        Self::kubelet(place, SecretKind::Projected, &random::uuid()?, name, &keys)
    }

    fn kubelet(place: &Place, kind: SecretKind, pod_uid: &str, name: &str, keys: &[&str]) -> Result<Self> {
        let plugin =
            if kind == SecretKind::Projected { "kubernetes.io~projected" } else { "kubernetes.io~secret" };
        let folder = place.path(format!("var/lib/kubelet/pods/{pod_uid}/volumes/{plugin}/{name}"));
        let mut secret = Self::new(format!("volume/{name}"), kind, folder, keys)?;
        secret.pod_uid = Some(pod_uid.to_owned());
        secret.publish()?;
        Ok(secret)
    }

    /// A folder of files without any layout, to be mounted at `/run/secrets/<name>`.
    ///
    /// # Errors
    /// As [`Self::volume`].
    pub fn plain(place: &Place, name: &str, keys: &[&str]) -> Result<Self> {
        let folder = place.path(format!("plain/{name}-{}", random::hex_digits(4)?));
        let secret = Self::new(format!("/run/secrets/{name}"), SecretKind::RunSecrets, folder, keys)?;
        secret.write_into(&secret.folder)?;
        Ok(secret)
    }

    fn new(name: String, kind: SecretKind, folder: PathBuf, keys: &[&str]) -> Result<Self> {
        let mut values = BTreeMap::new();
        for key in keys {
            values.insert((*key).to_owned(), format!("canary-{}", random::hex_digits(40)?));
        }
        let mounted = Some(Mounted::tmpfs(&folder)?);
        Ok(Self { name, kind, pod_uid: None, folder, values, rotation: 0, mounted })
    }

    /// As the agent names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// The pod that it belongs to.
    pub fn pod_uid(&self) -> Option<&str> {
        self.pod_uid.as_deref()
    }

    /// Where it is mounted on the host.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What must not be found anywhere.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let secret = self.values.iter().filter(|(key, _)| !PUBLIC.contains(&key.as_str()));
        secret.map(|(_, value)| value.as_str())
    }

    /// New values under the same keys, as the kubelet publishes them.
    ///
    /// # Errors
    /// If the volume cannot be written.
    pub fn rotate(&mut self) -> Result<()> {
        for value in self.values.values_mut() {
            *value = format!("canary-{}", random::hex_digits(40)?);
        }
        let old = self.current()?;
        self.publish()?;
        fs::remove_dir_all(&old).with_context(|| format!("removing {}", old.display()))
    }

    /// Ends the file system.
    pub fn unmount(&mut self) {
        self.mounted = None;
    }

    /// The device number of its file system, as `stat` tells it.
    ///
    /// # Errors
    /// If it is not mounted.
    pub fn device(&self) -> Result<u64> {
        let facts = fs::metadata(&self.folder);
        Ok(facts.with_context(|| format!("looking at {}", self.folder.display()))?.dev())
    }

    /// Mounts it again, on a new file system with this device number.
    ///
    /// # Errors
    /// If the number cannot be had, or the volume cannot be written.
    pub fn mount_on_device(&mut self, device: u64) -> Result<()> {
        self.mounted = Some(Mounted::tmpfs_on_device(&self.folder, device)?);
        self.publish()
    }

    /// Binds one key to where the kubelet has it for a container that mounts it alone (subPath).
    ///
    /// # Errors
    /// If this is not a volume of a pod, or the bind is refused.
    pub fn bind_sub_path(&self, key: &str, container: &str) -> Result<Mounted> {
        let pod = self.folder.ancestors().nth(3).context("this is no volume of a pod")?;
        let volume = self.folder.file_name().context("the volume has no name")?;
        let at = pod.join("volume-subpaths").join(volume).join(container).join("0");
        fs::create_dir_all(at.parent().unwrap_or(pod))
            .with_context(|| format!("creating {}", at.display()))?;
        fs::write(&at, "").with_context(|| format!("creating {}", at.display()))?;
        Mounted::bind(&fs::canonicalize(self.folder.join(key)).context("resolving a key")?, &at)
    }

    /// Takes the right to read it from everyone but root.
    ///
    /// # Errors
    /// If modes cannot be changed.
    pub fn forbid_to_others(&self) -> Result<()> {
        for key in self.values.keys() {
            let path = self.folder.join(key);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
                .with_context(|| format!("changing the mode of {}", path.display()))?;
        }
        Ok(())
    }

    /// The folder that `..data` means.
    fn current(&self) -> Result<PathBuf> {
        let link = self.folder.join("..data");
        let target = fs::read_link(&link).with_context(|| format!("reading {}", link.display()))?;
        Ok(self.folder.join(target))
    }

    /// Writes the values as the kubelet does: a new folder, `..data` renamed onto it, a link for each key.
    fn publish(&mut self) -> Result<()> {
        self.rotation += 1;
        let stamp = format!("..2026_11_22_06_40_{:02}.{}", self.rotation % 60, 1_000_000 + self.rotation);
        let folder = self.folder.join(&stamp);
        fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        self.write_into(&folder)?;
        let (fresh, data) = (self.folder.join("..data_tmp"), self.folder.join("..data"));
        symlink(&stamp, &fresh).with_context(|| format!("linking {}", fresh.display()))?;
        fs::rename(&fresh, &data).with_context(|| format!("renaming {}", fresh.display()))?;
        for key in self.values.keys() {
            let link = self.folder.join(key);
            if link.symlink_metadata().is_err() {
                symlink(Path::new("..data").join(key), &link)
                    .with_context(|| format!("linking {}", link.display()))?;
            }
        }
        Ok(())
    }

    fn write_into(&self, folder: &Path) -> Result<()> {
        for (key, value) in &self.values {
            let path = folder.join(key);
            fs::write(&path, value).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}
