//! What a cgroup belongs to, from its path below the cgroup v2 root.
//!
//! Pure. The outermost container on the way to a cgroup is its workload's root: whatever a container makes below
//! itself (Docker in Docker, CRI-O's `container`, a forged `kubepods`, the pods of a node that is a container)
//! stays that container's.

use cofferdam_model::{ContainerId, PodUid, Runtime, WorkloadKind};

/// A container that a runtime's state on disk places at a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownContainer {
    /// Its id or name.
    pub id: ContainerId,
    /// containerd's namespace, if it is containerd's.
    pub namespace: Option<String>,
    /// The runtime.
    pub runtime: Runtime,
}

/// What runtimes say about cgroups whose path alone does not tell: `/<namespace>/<name>` of containerd's `ctr`
/// and any `cgroupsPath` of plain runc look like every other folder.
pub trait RuntimeState {
    /// The container whose cgroup is exactly this one.
    fn container_at(&self, cgroup_path: &str) -> Option<KnownContainer>;
}

impl<F: Fn(&str) -> Option<KnownContainer>> RuntimeState for F {
    fn container_at(&self, cgroup_path: &str) -> Option<KnownContainer> {
        self(cgroup_path)
    }
}

/// No runtime says anything: paths alone decide.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRuntimes;

impl RuntimeState for NoRuntimes {
    fn container_at(&self, _cgroup_path: &str) -> Option<KnownContainer> {
        None
    }
}

/// The workload that a cgroup belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified<'p> {
    /// Path of the cgroup at the workload's root: the given path or an ancestor of it; `/` for the host.
    pub root: &'p str,
    /// What it is.
    pub kind: WorkloadKind,
    /// A runtime may yet say that it is a container (runc writes its state after it has made the cgroup): ask again.
    pub provisional: bool,
}

/// What a path is part of. `path` starts with `/`; `/` itself is the host.
pub fn classify<'p>(path: &'p str, runtimes: &dyn RuntimeState) -> Classified<'p> {
    let mut walk = Walk::default();
    for (prefix, component) in prefixes(path) {
        let found = match by_shape(&walk, component) {
            Some(kind) => Some(kind),
            None => runtimes
                .container_at(prefix)
                .map(|known| walk.container(known))
                .or_else(|| is_hash(component).then(|| walk.kind(component, Runtime::Unknown)).flatten()),
        };
        match found {
            Some(kind) => return Classified { root: prefix, kind, provisional: false },
            None => walk.descend(prefix, component),
        }
    }
    walk.conclude(path)
}

/// What has been seen on the way from the root.
#[derive(Default)]
struct Walk<'p> {
    /// The innermost unit that we are in.
    within: Option<Classified<'p>>,
    parent: &'p str,
    kubepods: bool,
    pod: Option<PodUid>,
    organisational: bool,
}

impl<'p> Walk<'p> {
    fn descend(&mut self, prefix: &'p str, component: &'p str) {
        if is_unit(component) {
            let scope = component.ends_with(".scope") && !is_monitor(component);
            let kind = WorkloadKind::Unit { unit: component.to_owned() };
            self.within = Some(Classified { root: prefix, kind, provisional: scope });
        }
        let slice = component.strip_suffix(".slice");
        let kubepods = slice.unwrap_or(component);
        self.kubepods |= kubepods == "kubepods" || (slice.is_some() && kubepods.ends_with("-kubepods"));
        let pod = pod_uid(self.kubepods, component);
        let below_pods = self.kubepods && matches!(component, "besteffort" | "burstable" | "guaranteed");
        let first = self.parent.is_empty();
        self.organisational = slice.is_some()
            || pod.is_some()
            || below_pods
            || component == "kubepods"
            || (first && matches!(component, "docker" | "libpod_parent" | "kubelet" | "system" | "machine"));
        self.pod = pod.or(self.pod.take());
        self.parent = component;
    }

    fn conclude(self, path: &'p str) -> Classified<'p> {
        match self.within {
            Some(found) => {
                let settled = found.root == path && !found.provisional;
                Classified { provisional: !settled, ..found }
            }
            None if self.parent.is_empty() || self.organisational => {
                Classified { root: "/", kind: WorkloadKind::Host, provisional: false }
            }
            None => Classified { root: path, kind: WorkloadKind::Other, provisional: true },
        }
    }

    /// A container with this id here: of the pod that we are in, if any.
    fn kind(&self, id: &str, runtime: Runtime) -> Option<WorkloadKind> {
        let id = id.parse().ok()?;
        Some(self.container(KnownContainer { id, namespace: None, runtime }))
    }

    fn container(&self, known: KnownContainer) -> WorkloadKind {
        let KnownContainer { id: container_id, namespace: runtime_namespace, runtime } = known;
        match &self.pod {
            Some(pod_uid) => WorkloadKind::PodContainer { pod_uid: pod_uid.clone(), container_id, runtime },
            None => WorkloadKind::Container { container_id, runtime_namespace, runtime },
        }
    }
}

/// The container that a component names by itself, or by its place below a pod or below `docker`.
fn by_shape(walk: &Walk<'_>, component: &str) -> Option<WorkloadKind> {
    if let Some((slice, id)) = component.split_once(".slice:cri-containerd:") {
        return misconfigured_driver(slice, id);
    }
    if is_hash(component) {
        return match (&walk.pod, walk.parent) {
            (Some(_), _) => walk.kind(component, Runtime::Unknown),
            (None, "docker") => walk.kind(component, Runtime::Docker),
            (None, _) => None, // a runtime may know more; otherwise `classify` takes the bare hash
        };
    }
    let scope = component.strip_suffix(".scope").unwrap_or(component);
    let (prefix, id) = scope.rsplit_once('-')?;
    if !is_hash(id) || is_monitor(component) {
        return None;
    }
    let runtime = match prefix {
        "cri-containerd" | "nerdctl" | "containerd" => Runtime::Containerd,
        "crio" => Runtime::Crio,
        "docker" => Runtime::Docker,
        "libpod" => Runtime::Podman,
        _ => Runtime::Unknown,
    };
    walk.kind(id, runtime)
}

/// containerd without `SystemdCgroup` below a kubelet with the systemd driver: runc's cgroupfs driver takes
/// `slice:prefix:name` for one folder name.
fn misconfigured_driver(slice: &str, id: &str) -> Option<WorkloadKind> {
    if !is_hash(id) {
        return None;
    }
    let container_id = id.parse().ok()?;
    let runtime = Runtime::Containerd;
    Some(WorkloadKind::PodContainer { pod_uid: systemd_pod_uid(slice)?, container_id, runtime })
}

/// The pod whose folder this is.
fn pod_uid(in_kubepods: bool, component: &str) -> Option<PodUid> {
    match component.strip_suffix(".slice") {
        Some(slice) => systemd_pod_uid(slice),
        None if in_kubepods => component.strip_prefix("pod")?.parse().ok(),
        None => None,
    }
}

/// From `[<nesting>-]kubepods[-<class>]-pod<UID with underscores>`.
fn systemd_pod_uid(slice: &str) -> Option<PodUid> {
    let (folder, uid) = slice.rsplit_once("-pod")?;
    let folder = folder.strip_suffix("-besteffort").or(folder.strip_suffix("-burstable")).unwrap_or(folder);
    (folder == "kubepods" || folder.ends_with("-kubepods")).then(|| uid.parse().ok()).flatten()
}

/// A container's id as most runtimes make it.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A container's monitor, which is no part of it: `crio-conmon-<id>.scope`, `libpod-conmon-<id>.scope`.
fn is_monitor(component: &str) -> bool {
    component.contains("-conmon-")
}

fn is_unit(component: &str) -> bool {
    let stem = component.strip_suffix(".service").or(component.strip_suffix(".scope"));
    stem.is_some_and(|stem| !stem.is_empty())
}

/// Each ancestor from the outermost down to the path itself, with its last component.
fn prefixes(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        start += path[start..].bytes().take_while(|b| *b == b'/').count();
        let length = path[start..].bytes().take_while(|b| *b != b'/').count();
        let (begin, end) = (start, start + length);
        start = end;
        (length > 0).then(|| (&path[..end], &path[begin..end]))
    })
}

#[cfg(test)]
mod tests;
