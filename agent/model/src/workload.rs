//! What a cgroup belongs to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::verdict::words;
use crate::{BootTime, CgroupId, ContainerId, PodUid, WorkloadId};

words! {
    /// The container runtime, as far as the cgroup path or the runtime's API tells.
    Runtime: "runtime (containerd, cri-o, docker, podman, unknown)" {
        /// containerd, through CRI or its own API.
        Containerd = "containerd",
        /// CRI-O.
        Crio = "cri-o",
        /// Docker.
        Docker = "docker",
        /// Podman.
        Podman = "podman",
        /// A container by its shape, of a runtime that could not be told.
        Unknown = "unknown",
    }
}

/// The kind of a workload, with what the cgroup path says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WorkloadKind {
    /// A container of a pod (the sandbox included).
    PodContainer {
        /// The pod's UID, from the path.
        pod_uid: PodUid,
        /// The container's id, from the path.
        container_id: ContainerId,
        /// The runtime.
        runtime: Runtime,
    },
    /// A container outside Kubernetes.
    Container {
        /// The container's id or name, from the path.
        container_id: ContainerId,
        /// containerd's namespace, where the path tells it.
        runtime_namespace: Option<String>,
        /// The runtime.
        runtime: Runtime,
    },
    /// A systemd unit (service, or scope that is no container).
    Unit {
        /// The unit's name.
        unit: String,
    },
    /// The host, outside units and containers.
    Host,
    /// A cgroup that is none of these; its path stands in [`Workload::cgroup_path`].
    Other,
}

/// What containerd's CRI plugin calls its namespace.
const CRI_NAMESPACE: &str = "k8s.io";

impl WorkloadKind {
    /// Whether it is a container, so that images, exec sessions and the runtime's entry have a meaning.
    pub fn is_container(&self) -> bool {
        matches!(self, Self::PodContainer { .. } | Self::Container { .. })
    }

    /// The container's id, if it is one.
    pub fn container_id(&self) -> Option<&ContainerId> {
        match self {
            Self::PodContainer { container_id, .. } | Self::Container { container_id, .. } => {
                Some(container_id)
            }
            Self::Unit { .. } | Self::Host | Self::Other => None,
        }
    }

    /// The pod's UID, if it belongs to one.
    pub fn pod_uid(&self) -> Option<&PodUid> {
        match self {
            Self::PodContainer { pod_uid, .. } => Some(pod_uid),
            _ => None,
        }
    }

    /// Whether somebody tells its names, if late: CRI does, of its own containers alone.
    pub fn is_told_of(&self) -> bool {
        match self {
            Self::PodContainer { .. } => true,
            Self::Container { runtime: Runtime::Containerd | Runtime::Crio, runtime_namespace, .. } => {
                runtime_namespace.as_deref().is_none_or(|namespace| namespace == CRI_NAMESPACE)
            }
            Self::Container { .. } | Self::Unit { .. } | Self::Host | Self::Other => false,
        }
    }
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// As the workload names it.
    pub name: String,
    /// The content's digest, where the runtime tells it.
    pub digest: Option<String>,
}

/// One instance of a workload. Names come from the runtime and may arrive late: `None` until they do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// The instance.
    pub id: WorkloadId,
    /// The cgroup at its root.
    pub cgroup: CgroupId,
    /// Path of that cgroup below the v2 root, `/` for the root itself.
    pub cgroup_path: String,
    /// What it is.
    pub kind: WorkloadKind,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name within the pod, or the runtime's name for the container.
    pub container: Option<String>,
    /// It is the pod's sandbox ("pause").
    pub sandbox: bool,
    /// Pod or container labels.
    pub labels: BTreeMap<String, String>,
    /// Image, if known.
    pub image: Option<Image>,
    /// Names (never values) of environment variables that hold credentials.
    pub credential_variables: Vec<String>,
    /// When the cgroup was made or first seen.
    pub since: BootTime,
    /// When the cgroup was removed.
    pub until: Option<BootTime>,
}

impl Workload {
    /// The stable name by which people know it.
    pub fn name(&self) -> WorkloadName {
        let short = |id: &ContainerId| {
            let id = id.as_str();
            let hex = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
            if hex { id.chars().take(12).collect() } else { id.to_owned() }
        };
        WorkloadName(match &self.kind {
            WorkloadKind::PodContainer { pod_uid, container_id, .. } => match (&self.namespace, &self.pod) {
                (Some(namespace), Some(pod)) => {
                    let container = match (&self.container, self.sandbox) {
                        (_, true) => "(sandbox)".to_owned(),
                        (Some(name), _) => name.clone(),
                        (None, _) => short(container_id),
                    };
                    format!("{namespace}/{pod}/{container}")
                }
                _ => format!("pod:{pod_uid}/{}", short(container_id)),
            },
            WorkloadKind::Container { container_id, runtime_namespace, runtime } => {
                let name = self.container.clone().unwrap_or_else(|| short(container_id));
                match (runtime_namespace, runtime) {
                    (Some(namespace), _) => format!("{namespace}/{name}"),
                    (None, Runtime::Unknown) => format!("container:{name}"),
                    (None, runtime) => format!("{runtime}:{name}"),
                }
            }
            WorkloadKind::Unit { unit } => format!("unit:{unit}"),
            WorkloadKind::Host => "host".to_owned(),
            WorkloadKind::Other => format!("cgroup:{}", self.cgroup_path),
        })
    }
}

/// The stable name of a workload: `namespace/pod/container`, `docker:name`, `unit:name`, `host`, ...
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkloadName(String);

impl WorkloadName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
