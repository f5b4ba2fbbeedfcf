//! What workloads have done so far, by their stable names: who reads which secret, and where they speak to.

use std::net::IpAddr;
use std::time::Duration;

use cofferdam_model::{Access, BootTime, Connection, Process, Verdict, Workload, WorkloadKind};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::facts::Before;

/// Different things that one workload is known to do at most: one that does more is never learnt.
const HABITS_MAX: usize = 4_096;
/// Workloads at most.
const WORKLOADS_MAX: usize = 4_096;

/// What is usual on a node.
#[derive(Debug)]
pub struct Baseline {
    learning: Duration,
    workloads: FxHashMap<String, Habits>,
    /// Workloads that had no room.
    left_out: u64,
}

#[derive(Debug)]
struct Habits {
    since: BootTime,
    readers: FxHashSet<(String, String)>,
    destinations: FxHashSet<(IpAddr, u16)>,
    is_full: bool,
}

impl Baseline {
    /// Nothing is known; what is usual for a workload is known this long after it was first seen.
    pub fn new(learning: Duration) -> Self {
        Self { learning, workloads: FxHashMap::default(), left_out: 0 }
    }

    /// Whether a read is usual; it is from now on.
    pub fn read(
        &mut self,
        access: &Access,
        workload: Option<&Workload>,
        program: Option<&Process>,
    ) -> Before {
        let reader = program.and_then(reader);
        let secret =
            format!("{}/{}", access.secret.display_name(), access.secret.key.as_deref().unwrap_or(""));
        let is_allowed = access.verdict != Verdict::Denied;
        let Some((habits, before)) = self.habits(workload, access.first) else { return Before::default() };
        let Some(reader) = reader else { return before };
        let what = (secret, reader);
        let known = habits.readers.contains(&what);
        // What was refused is not a habit.
        if !known && is_allowed {
            if habits.readers.len() < HABITS_MAX {
                habits.readers.insert(what);
            } else {
                habits.is_full = true;
            }
        }
        Before { reader: Some(known), ..before }
    }

    /// Whether a destination is usual; it is from now on.
    pub fn connected(&mut self, connection: &Connection, workload: Option<&Workload>) -> Before {
        let is_allowed = connection.verdict != Verdict::Denied;
        let Some((habits, before)) = self.habits(workload, connection.first) else {
            return Before::default();
        };
        let Some(address) = connection.destination else { return before };
        let what = (address, connection.port);
        let known = habits.destinations.contains(&what);
        if !known && is_allowed {
            if habits.destinations.len() < HABITS_MAX {
                habits.destinations.insert(what);
            } else {
                habits.is_full = true;
            }
        }
        Before { destination: Some(known), ..before }
    }

    /// What is usual for any other event of the workload.
    pub fn of(&mut self, workload: Option<&Workload>, at: BootTime) -> Before {
        self.habits(workload, at).map_or_else(Before::default, |(_, before)| before)
    }

    fn habits(&mut self, workload: Option<&Workload>, at: BootTime) -> Option<(&mut Habits, Before)> {
        let name = stable_name(workload?)?;
        if !self.workloads.contains_key(&name) && self.workloads.len() >= WORKLOADS_MAX {
            self.left_out += 1;
            return None;
        }
        let habits = self.workloads.entry(name).or_insert_with(|| Habits {
            since: at,
            readers: FxHashSet::default(),
            destinations: FxHashSet::default(),
            is_full: false,
        });
        let learnt = at.since(habits.since) >= self.learning && !habits.is_full;
        Some((habits, Before { learnt: Some(learnt), ..Before::default() }))
    }

    /// Workloads that had no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// The program that reads, wherever its file lies by number: an image's new version is the same program.
fn reader(program: &Process) -> Option<String> {
    let executable = &program.executable;
    let path = executable.path.as_deref()?;
    Some(format!("{} {path} {}", executable.origin, executable.interpreter.as_deref().unwrap_or("")))
}

/// What stays the same from one instance to the next: namespace, what owns the pod, container; else the image.
pub fn stable_name(workload: &Workload) -> Option<String> {
    match &workload.kind {
        WorkloadKind::PodContainer { .. } => {
            let (namespace, pod) = (workload.namespace.as_deref()?, workload.pod.as_deref()?);
            Some(format!("{namespace}/{}/{}", owner(pod), workload.container.as_deref().unwrap_or("")))
        }
        WorkloadKind::Container { container_id, .. } => match &workload.image {
            Some(image) => Some(format!("image:{}", image.name)),
            None => {
                Some(format!("container:{}", workload.container.as_deref().unwrap_or(container_id.as_str())))
            }
        },
        WorkloadKind::Unit { unit } => Some(format!("unit:{unit}")),
        WorkloadKind::Host => Some("host".to_owned()),
        WorkloadKind::Other => Some(format!("cgroup:{}", workload.cgroup_path)),
    }
}

/// The name of what has made a pod, as far as the pod's name tells: a Deployment adds a hash and five letters, a DaemonSet and
/// a Job five letters, a StatefulSet a number.
fn owner(pod: &str) -> &str {
    let is_suffix = |text: &str| text.len() == 5 && text.bytes().all(is_of_suffix);
    let is_hash = |text: &str| (8..=10).contains(&text.len()) && text.bytes().all(is_of_suffix);
    match pod.rsplit_once('-') {
        Some((rest, last)) if is_suffix(last) => match rest.rsplit_once('-') {
            Some((owner, hash)) if is_hash(hash) => owner,
            _ => rest,
        },
        Some((rest, last)) if !last.is_empty() && last.bytes().all(|it| it.is_ascii_digit()) => rest,
        _ => pod,
    }
}

/// Letters of names that Kubernetes makes up (k8s.io/apimachinery/pkg/util/rand: no vowels, no 0, 1, 3).
fn is_of_suffix(letter: u8) -> bool {
    b"bcdfghjklmnpqrstvwxz2456789".contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_owner_have_one_name() {
        for (pod, name) in [
            ("api-7d4b9c6f5d-x2x9z", "api"),
            ("agent-x2x9z", "agent"),
            ("db-0", "db"),
            ("db-12", "db"),
            ("lonely", "lonely"),
            ("my-debug", "my-debug"),
        ] {
            assert_eq!(owner(pod), name, "{pod}");
        }
    }
}
