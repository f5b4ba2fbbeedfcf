//! What runtimes keep on disk about their containers: which exist, at which cgroup, with which configuration.
//!
//! Reads below `/run` only, streams what may hold secrets, and tolerates that anything is missing or goes away.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_model::{ContainerId, Runtime, WorkloadKind};

use crate::cgroup_path::{KnownContainer, RuntimeState};
use crate::environment::CredentialNames;
use crate::json::JsonError;
use crate::oci_config::{self, ContainerConfig};
use crate::runc_state::{self, RuncState};

/// Containers indexed by cgroup; further ones are found only where the cgroup is named after them.
pub const CONTAINERS_MAX: usize = 8_192;

const TASKS: &str = "io.containerd.runtime.v2.task";

/// Where runtimes keep their state.
#[derive(Debug, Clone)]
pub struct RuntimeFolders {
    /// State folders of containerd instances.
    pub containerd: Vec<PathBuf>,
    /// Folders with one folder per container of runc or crun.
    pub runc: Vec<PathBuf>,
    /// Folders of CRI-O and Podman with `<id>/userdata/config.json`.
    pub storage: Vec<PathBuf>,
}

impl Default for RuntimeFolders {
    /// The places that the runtimes use unless told otherwise.
    fn default() -> Self {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect();
        Self {
            containerd: paths(&["/run/containerd", "/run/docker/containerd", "/run/k3s/containerd"]),
            runc: paths(&["/run/runc", "/run/crun", "/run/docker/runtime-runc/moby"]),
            storage: paths(&["/run/containers/storage/overlay-containers"]),
        }
    }
}

/// Why a container's configuration could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be opened.
    #[error("cannot open {path}: {error}", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no OCI configuration.
    #[error("cannot read {path}: {error}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where and what, without the file's content.
        error: JsonError,
    },
}

/// What the runtimes' folders say, with an index of runc's containers by cgroup.
#[derive(Debug)]
pub struct RuntimesOnDisk {
    folders: RuntimeFolders,
    cgroup_root: PathBuf,
    index: HashMap<PathBuf, Indexed>,
    by_cgroup: HashMap<String, KnownContainer>,
    dropped: u64,
}

/// A state file as it was when it was read last.
#[derive(Debug)]
struct Indexed {
    version: (u64, i64, i64),
    cgroup_path: Option<String>,
}

impl RuntimesOnDisk {
    /// `cgroup_root` is the mount point of cgroup v2, which runc writes before its paths.
    pub fn new(folders: RuntimeFolders, cgroup_root: PathBuf) -> Self {
        Self { folders, cgroup_root, index: HashMap::new(), by_cgroup: HashMap::new(), dropped: 0 }
    }

    /// Looks for containers whose cgroup is not named after them. To be called when a cgroup is provisional.
    pub fn refresh(&mut self) {
        let mut seen = HashMap::new();
        self.by_cgroup.clear();
        self.dropped = 0;
        for (root, namespace, runtime) in self.runc_roots() {
            for folder in folders_in(&root) {
                let Some((state_file, version)) = state_file(&folder) else { continue };
                let Some(id) = id_of(&folder) else { continue };
                if seen.len() >= CONTAINERS_MAX {
                    self.dropped += 1;
                    continue;
                }
                let known = self.index.remove(&folder).filter(|indexed| indexed.version == version);
                let indexed = known.unwrap_or_else(|| Indexed {
                    version,
                    cgroup_path: read_state(&state_file).and_then(|state| self.relative_cgroup(&state)),
                });
                if let Some(path) = &indexed.cgroup_path {
                    let container = KnownContainer { id, namespace: namespace.clone(), runtime };
                    self.by_cgroup.insert(path.clone(), container);
                }
                seen.insert(folder, indexed);
            }
        }
        self.index = seen;
    }

    /// Containers that the last look left out of the index because it was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Reads the configuration of a container. `None` if no runtime has one (yet, or any more).
    pub fn config(
        &self,
        workload: &WorkloadKind,
        names: &CredentialNames,
    ) -> Result<Option<ContainerConfig>, ConfigError> {
        for path in self.config_paths(workload) {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(ConfigError::Open { path, error }),
            };
            return match oci_config::read(file, names) {
                Ok(config) => Ok(Some(config.in_bundle(path.parent().unwrap_or(Path::new("/"))))),
                Err(error) => Err(ConfigError::Read { path, error }),
            };
        }
        Ok(None)
    }

    /// Places where the configuration of this container may stand.
    fn config_paths(&self, workload: &WorkloadKind) -> Vec<PathBuf> {
        let Some(id) = workload.container_id() else { return Vec::new() };
        let namespace = match workload {
            WorkloadKind::Container { runtime_namespace, .. } => runtime_namespace.as_deref(),
            _ => None,
        };
        let mut paths = Vec::new();
        for state in &self.folders.containerd {
            let tasks = state.join(TASKS);
            match namespace {
                Some(namespace) => paths.push(tasks.join(namespace).join(id.as_str())),
                None => paths.extend(folders_in(&tasks).iter().map(|folder| folder.join(id.as_str()))),
            }
        }
        paths.extend(self.folders.storage.iter().map(|folder| folder.join(id.as_str()).join("userdata")));
        for (root, _, _) in self.runc_roots() {
            let state = state_file(&root.join(id.as_str())).and_then(|(file, _)| read_state(&file));
            paths.extend(state.and_then(|state| state.bundle).map(PathBuf::from));
        }
        paths.into_iter().map(|folder| folder.join("config.json")).collect()
    }

    /// Folders with one folder per container of runc: the configured ones, and containerd's, one per namespace.
    fn runc_roots(&self) -> Vec<(PathBuf, Option<String>, Runtime)> {
        let plain = self.folders.runc.iter().map(|root| {
            let docker = root.components().any(|part| part.as_os_str() == "docker");
            (root.clone(), None, if docker { Runtime::Docker } else { Runtime::Unknown })
        });
        let containerd = self.folders.containerd.iter().flat_map(|state| folders_in(&state.join("runc")));
        let named = containerd.map(|root| {
            let namespace = root.file_name().map(|name| name.to_string_lossy().into_owned());
            (root, namespace, Runtime::Containerd)
        });
        plain.chain(named).collect()
    }

    fn relative_cgroup(&self, state: &RuncState) -> Option<String> {
        let path = Path::new(state.cgroup_path.as_deref()?);
        let below = path.strip_prefix(&self.cgroup_root).or_else(|_| path.strip_prefix("/")).ok()?;
        Some(format!("/{}", below.to_str()?))
    }

    /// containerd's `/<namespace>/<name>`: the bundle exists before the cgroup does.
    fn containerd_at(&self, path: &str) -> Option<KnownContainer> {
        let (namespace, name) = path.strip_prefix('/')?.split_once('/')?;
        let id = safe_id(name)?;
        safe_id(namespace)?;
        let has = |state: &PathBuf| state.join(TASKS).join(namespace).join(name).is_dir();
        self.folders.containerd.iter().any(has).then(|| KnownContainer {
            id,
            namespace: Some(namespace.to_owned()),
            runtime: Runtime::Containerd,
        })
    }

    /// runc's cgroup named after the container. Its folder exists before the cgroup, its state only afterwards.
    fn runc_at(&self, path: &str) -> Option<KnownContainer> {
        let name = path.rsplit('/').next()?;
        let id = safe_id(name)?;
        for root in &self.folders.runc {
            let folder = root.join(name);
            if !folder.is_dir() {
                continue;
            }
            let state = state_file(&folder).and_then(|(file, _)| read_state(&file));
            let elsewhere = |state: RuncState| self.relative_cgroup(&state).is_some_and(|own| own != path);
            if !state.is_some_and(elsewhere) {
                return Some(KnownContainer { id, namespace: None, runtime: Runtime::Unknown });
            }
        }
        None
    }
}

impl RuntimeState for RuntimesOnDisk {
    fn container_at(&self, cgroup_path: &str) -> Option<KnownContainer> {
        self.containerd_at(cgroup_path)
            .or_else(|| self.by_cgroup.get(cgroup_path).cloned())
            .or_else(|| self.runc_at(cgroup_path))
    }
}

/// An id that is also a harmless file name.
fn safe_id(name: &str) -> Option<ContainerId> {
    name.parse().ok().filter(|_| name != "." && name != "..")
}

fn id_of(folder: &Path) -> Option<ContainerId> {
    safe_id(folder.file_name()?.to_str()?)
}

fn folders_in(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_folder).map(|entry| entry.path()).collect()
}

/// The state file of a runc or crun container, and what tells one version of it from the next.
fn state_file(folder: &Path) -> Option<(PathBuf, (u64, i64, i64))> {
    ["state.json", "status"].iter().find_map(|name| {
        let path = folder.join(name);
        let found = fs::metadata(&path).ok()?;
        Some((path, (found.ino(), found.mtime(), found.mtime_nsec())))
    })
}

fn read_state(path: &Path) -> Option<RuncState> {
    runc_state::read(File::open(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup_path::classify;

    struct Node {
        root: tempfile::TempDir,
    }

    impl Node {
        fn new() -> Self {
            Self { root: tempfile::tempdir().unwrap() }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn runtimes(&self) -> RuntimesOnDisk {
            let folders = RuntimeFolders {
                containerd: vec![self.root.path().join("containerd")],
                runc: vec![self.root.path().join("runc")],
                storage: vec![self.root.path().join("storage")],
            };
            RuntimesOnDisk::new(folders, PathBuf::from("/sys/fs/cgroup/unified"))
        }
    }

    fn state(path: &str, bundle: &Path) -> String {
        serde_json::json!({
            "cgroup_paths": {"": format!("/sys/fs/cgroup/unified{path}")},
            "config": {"labels": [format!("bundle={}", bundle.display())]},
        })
        .to_string()
    }

    #[test]
    fn containers_of_containerd_are_found_by_their_bundle() {
        let node = Node::new();
        node.write(
            &format!("containerd/{TASKS}/default/web/config.json"),
            r#"{"process": {"env": ["A_TOKEN=x"]}}"#,
        );
        let runtimes = node.runtimes();
        let found = classify("/default/web/nested", &runtimes);
        assert_eq!(found.root, "/default/web");
        let names = CredentialNames::defaults().unwrap();
        let config = runtimes.config(&found.kind, &names).unwrap().unwrap();
        assert_eq!(config.credential_variables, ["A_TOKEN"]);
        assert_eq!(classify("/default/other", &runtimes).kind, WorkloadKind::Other);
        assert_eq!(classify("/../web", &runtimes).kind, WorkloadKind::Other);
    }

    #[test]
    fn a_runc_container_is_known_before_its_state_is_written() {
        let node = Node::new();
        fs::create_dir_all(node.root.path().join("runc/web")).unwrap();
        assert!(classify("/web", &node.runtimes()).kind.is_container());
    }

    #[test]
    fn a_runc_container_is_found_at_any_cgroup_that_its_state_names() {
        let node = Node::new();
        let bundle = node.root.path().join("bundle");
        node.write("runc/web/state.json", &state("/batch/deep/job", &bundle));
        node.write("bundle/config.json", r#"{"process": {"env": ["DB_PASSWORD=x"]}}"#);
        let mut runtimes = node.runtimes();
        assert!(classify("/batch/deep/job", &runtimes).provisional);
        runtimes.refresh();
        let found = classify("/batch/deep/job", &runtimes);
        assert_eq!(found.kind.container_id().unwrap().as_str(), "web");
        let names = CredentialNames::defaults().unwrap();
        let config = runtimes.config(&found.kind, &names).unwrap().unwrap();
        assert_eq!(config.credential_variables, ["DB_PASSWORD"]);
        assert_eq!(
            classify("/elsewhere/web", &runtimes).kind,
            WorkloadKind::Other,
            "its cgroup is another one"
        );
    }

    #[test]
    fn a_refresh_follows_containers_that_come_and_go() {
        let node = Node::new();
        node.write("runc/web/state.json", &state("/a/one", Path::new("/b")));
        node.write("runc/broken/state.json", "{");
        let mut runtimes = node.runtimes();
        runtimes.refresh();
        assert!(runtimes.container_at("/a/one").is_some());
        fs::remove_dir_all(node.root.path().join("runc/web")).unwrap();
        node.write("runc/next/state.json", &state("/a/two", Path::new("/b")));
        runtimes.refresh();
        assert!(runtimes.container_at("/a/one").is_none());
        assert!(runtimes.container_at("/a/two").is_some());
    }

    #[test]
    fn a_broken_configuration_is_an_error_without_its_content() {
        let node = Node::new();
        node.write(&format!("containerd/{TASKS}/default/web/config.json"), r#"{"process": hunter2"#);
        let runtimes = node.runtimes();
        let kind = classify("/default/web", &runtimes).kind;
        let error = runtimes.config(&kind, &CredentialNames::defaults().unwrap()).unwrap_err();
        assert!(error.to_string().contains("config.json: no valid JSON at byte 12"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
