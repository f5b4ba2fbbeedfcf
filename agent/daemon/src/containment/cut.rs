//! Cutting a workload off: its open sockets are destroyed, besides that nothing new passes.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;

use cofferdam_model::WorkloadId;
use cofferdam_sensor::sockets::{self, Destroyed};

use crate::pipeline::Pipeline;

/// Destroys the open sockets of workloads, in every network namespace that they have processes in.
pub fn destroy_sockets(workloads: &HashSet<WorkloadId>, pipeline: &Pipeline) -> Destroyed {
    let mut namespaces: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for process in pipeline.state.processes.running().filter(|it| workloads.contains(&it.workload)) {
        let path = PathBuf::from(format!("/proc/{}/ns/net", process.key.pid));
        if let Ok(namespace) = fs::read_link(&path) {
            namespaces.entry(namespace).or_insert(path);
        }
    }
    let is_meant = |cgroup: u64| {
        let found = pipeline.state.workloads.resolve(cofferdam_model::CgroupId(cgroup));
        found.is_some_and(|workload| workloads.contains(&workload.id))
    };
    let mut all = Destroyed::default();
    for path in namespaces.values() {
        match sockets::destroy(path, is_meant) {
            Ok(done) => {
                all.sockets += done.sockets;
                all.failures.extend(done.failures);
            }
            Err(error) => all.failures.push(error.to_string()),
        }
    }
    all.failures.sort();
    all.failures.dedup();
    all
}
