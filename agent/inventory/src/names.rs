//! Names that a runtime or a container's configuration gives to a container; each may be missing and come later.

use std::collections::BTreeMap;

use cofferdam_model::{ContainerId, Image, Runtime, Workload, WorkloadKind};

use crate::oci_config::ContainerConfig;

/// Labels kept per workload.
pub const LABELS_MAX: usize = 64;
/// Longest name, label key or label value kept, in bytes; longer ones are left out.
pub const NAME_MAX: usize = 512;

/// What one source knows of one container. `None` says nothing, it takes nothing back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerNames {
    /// The container.
    pub container_id: ContainerId,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Container name.
    pub container: Option<String>,
    /// It is a pod's sandbox.
    pub sandbox: Option<bool>,
    /// Labels that the user gave.
    pub labels: Option<BTreeMap<String, String>>,
    /// Image.
    pub image: Option<Image>,
    /// The runtime.
    pub runtime: Option<Runtime>,
    /// Names of environment variables that carry credentials.
    pub credential_variables: Option<Vec<String>>,
}

impl ContainerNames {
    /// Nothing known yet.
    pub fn of(container_id: ContainerId) -> Self {
        Self {
            container_id,
            namespace: None,
            pod: None,
            container: None,
            sandbox: None,
            labels: None,
            image: None,
            runtime: None,
            credential_variables: None,
        }
    }

    /// What the container's OCI configuration says.
    pub fn from_config(container_id: ContainerId, config: ContainerConfig) -> Self {
        let pod = config.pod;
        Self {
            namespace: pod.namespace.filter(|name| fits(name)),
            pod: pod.pod.filter(|name| fits(name)),
            container: pod.container.filter(|name| fits(name)),
            sandbox: pod.container_type.map(|kind| kind == "sandbox"),
            image: pod.image.filter(|name| fits(name)).map(|name| Image { name, digest: None }),
            credential_variables: Some(config.credential_variables),
            ..Self::of(container_id)
        }
    }

    /// Adds what is known here to a workload. Says whether that changed it.
    pub fn apply(&self, workload: &mut Workload) -> bool {
        let before = workload.clone();
        take(&mut workload.namespace, &self.namespace);
        take(&mut workload.pod, &self.pod);
        take(&mut workload.container, &self.container);
        workload.sandbox = self.sandbox.unwrap_or(workload.sandbox);
        if let Some(labels) = &self.labels {
            workload.labels = labels.clone();
        }
        if let Some(image) = &self.image {
            workload.image = Some(merged(workload.image.take(), image));
        }
        if let Some(variables) = &self.credential_variables {
            workload.credential_variables.clone_from(variables);
        }
        if let (Some(told), Some(runtime)) = (self.runtime, runtime_of(&mut workload.kind))
            && *runtime == Runtime::Unknown
        {
            *runtime = told;
        }
        *workload != before
    }
}

/// Whether a name is of a length that a runtime gives.
pub fn fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX
}

fn take(place: &mut Option<String>, told: &Option<String>) {
    if told.is_some() {
        place.clone_from(told);
    }
}

/// One source knows the image by the name that the workload uses, another by digest alone.
fn merged(known: Option<Image>, told: &Image) -> Image {
    let Some(known) = known else { return told.clone() };
    let name = if is_digest(&told.name) { known.name } else { told.name.clone() };
    Image { name, digest: told.digest.clone().or(known.digest) }
}

fn is_digest(name: &str) -> bool {
    name.starts_with("sha256:")
}

fn runtime_of(kind: &mut WorkloadKind) -> Option<&mut Runtime> {
    match kind {
        WorkloadKind::PodContainer { runtime, .. } | WorkloadKind::Container { runtime, .. } => Some(runtime),
        WorkloadKind::Unit { .. } | WorkloadKind::Host | WorkloadKind::Other => None,
    }
}
