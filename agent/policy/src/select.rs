//! Which workloads a policy is for.

use std::collections::BTreeMap;

use cofferdam_model::{Workload, WorkloadKind, glob};

use crate::Policy;

/// Whether a policy is for a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// What would tell has not arrived yet.
    Pending,
}

/// What must fit; what is not named fits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// Labels, each exactly.
    pub labels: BTreeMap<String, String>,
    /// Globs of the namespace; all must fit.
    pub namespaces: Vec<String>,
    /// Glob of the container's name.
    pub container: Option<String>,
    /// Glob of the image's name.
    pub image: Option<String>,
    /// Glob of the unit's name.
    pub unit: Option<String>,
    /// Glob of the cgroup's path.
    pub cgroup: Option<String>,
    /// Glob of the workload's name.
    pub workload: Option<String>,
}

/// Namespaces that are only selected by who opts in.
pub const GUARDED_NAMESPACES: &[&str] = &["kube-system", "cofferdam"];

/// Units that are never selected, as globs of a component of the cgroup's path: what starts containers, what they
/// depend on, and the agent itself.
pub const GUARDED_UNITS: &[&str] = &[
    "kubelet*",
    "containerd*",
    "crio*",
    "docker*",
    "podman*",
    "cri-dockerd*",
    "cofferdam*",
    "systemd-*",
    "dbus*",
    "init.scope",
];

/// Whether no policy ever restricts it: the host, runtimes, the kubelet, the agent.
pub fn is_guarded(workload: &Workload) -> bool {
    let is_guarded_name = |name: &str| GUARDED_UNITS.iter().any(|guarded| glob(guarded, name));
    match &workload.kind {
        WorkloadKind::Host => true,
        WorkloadKind::Unit { unit } => is_guarded_name(unit),
        WorkloadKind::Other => workload.cgroup_path.split('/').any(is_guarded_name),
        WorkloadKind::PodContainer { .. } | WorkloadKind::Container { .. } => false,
    }
}

/// What is known of one thing that a selector asks.
fn fits(pattern: &str, text: Option<&str>, unknown: Selection) -> Selection {
    match text {
        Some(text) if glob(pattern, text) => Selection::Yes,
        Some(_) => Selection::No,
        None => unknown,
    }
}

impl Selector {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn answers(&self, workload: &Workload) -> Vec<Selection> {
        let is_container = workload.kind.is_container();
        // Of whom nobody tells, there will never be more than the path and the runtime's state say.
        let arrived = !workload.kind.is_told_of()
            || match &workload.kind {
                WorkloadKind::PodContainer { .. } => workload.namespace.is_some(),
                _ => workload.container.is_some() || workload.image.is_some() || !workload.labels.is_empty(),
            };
        let late = if arrived { Selection::No } else { Selection::Pending };
        // The runtime may tell a container's names one by one; a sandbox has neither.
        let plain = is_container && !workload.kind.is_told_of();
        let late_name =
            if is_container && !workload.sandbox && !plain { Selection::Pending } else { Selection::No };
        let plain_name = workload.kind.container_id().filter(|_| plain).map(|id| id.as_str());
        let container = workload.container.as_deref().or(plain_name);
        let unit = match &workload.kind {
            WorkloadKind::Unit { unit } => Some(unit.as_str()),
            _ => None,
        };
        let mut answers: Vec<Selection> = Vec::new();
        for (key, value) in &self.labels {
            answers.push(match workload.labels.get(key) {
                Some(label) if label == value => Selection::Yes,
                Some(_) => Selection::No,
                None => late,
            });
        }
        for pattern in &self.namespaces {
            answers.push(fits(pattern, workload.namespace.as_deref(), late));
        }
        let image = workload.image.as_ref().map(|image| image.name.as_str());
        answers.extend(self.container.iter().map(|it| fits(it, container, late_name)));
        answers.extend(self.image.iter().map(|it| fits(it, image, late_name)));
        answers.extend(self.unit.iter().map(|it| fits(it, unit, Selection::No)));
        answers.extend(self.cgroup.iter().map(|it| fits(it, Some(&workload.cgroup_path), Selection::No)));
        answers.extend(self.workload.iter().map(|pattern| {
            // Pods are never called so, whatever their names will be.
            if pattern.starts_with("container:") && matches!(workload.kind, WorkloadKind::PodContainer { .. })
            {
                return Selection::No;
            }
            let name = workload.name();
            // A name that is not final yet tells nothing, unless every name fits.
            let name = (arrived || pattern == "*").then_some(name.as_str());
            fits(pattern, name, Selection::Pending)
        }));
        // Host and units are selected by what is theirs, never by what they happen not to have.
        let by_own = self.unit.is_some() || self.cgroup.is_some() || self.workload.is_some();
        if !is_container && !by_own {
            answers.push(Selection::No);
        }
        answers
    }
}

impl Policy {
    /// Whether it is for this workload.
    pub fn selects(&self, workload: &Workload) -> Selection {
        if is_guarded(workload) || self.spares(workload) {
            return Selection::No;
        }
        let answers = self.selector.answers(workload);
        if answers.contains(&Selection::No) {
            Selection::No
        } else if answers.contains(&Selection::Pending) || self.may_yet_spare(workload) {
            Selection::Pending
        } else {
            Selection::Yes
        }
    }

    /// Whether it lies in a guarded namespace that the policy does not opt into.
    pub(crate) fn spares(&self, workload: &Workload) -> bool {
        workload.namespace.as_deref().is_some_and(|namespace| {
            GUARDED_NAMESPACES.contains(&namespace) && !self.opt_in.contains(namespace)
        })
    }

    /// A pod whose namespace has not arrived may be one of a guarded namespace.
    pub(crate) fn may_yet_spare(&self, workload: &Workload) -> bool {
        workload.kind.pod_uid().is_some()
            && workload.namespace.is_none()
            && GUARDED_NAMESPACES.iter().any(|it| !self.opt_in.contains(*it))
    }
}
