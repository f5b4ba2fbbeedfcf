//! The sockets that a workload has already: destroyed when it is cut off; and those that others have opened are remembered
//! before its egress is limited, so that its answers pass.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;

use cofferdam_model::WorkloadId;
use cofferdam_sensor::sockets::{self, Destroyed};

use crate::pipeline::Pipeline;

/// Destroys the open sockets of workloads, in every network namespace that they have processes in.
pub fn destroy_sockets(workloads: &HashSet<WorkloadId>, pipeline: &Pipeline) -> Destroyed {
    let is_meant = |cgroup: u64| is_of(cgroup, workloads, pipeline);
    let mut all = Destroyed::default();
    for path in namespaces(workloads, pipeline) {
        match sockets::destroy(&path, is_meant) {
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

/// Remembers the connections that others have opened to a workload that is no container, whose egress is about to be
/// limited. The programs see to later ones by themselves, as soon as packets are looked at.
pub fn remember_accepted(workload: WorkloadId, pipeline: &mut Pipeline) {
    let is_own = |it: &&cofferdam_model::Process| it.workload == workload && !it.runtime;
    // Those of containers were remembered from the start: who has opened what cannot be told for certain afterwards.
    if pipeline.state.is_container(workload) || !pipeline.state.processes.running().any(|it| is_own(&it)) {
        return;
    }
    if let Err(error) = pipeline.tables.set_packets(true) {
        tracing::warn!(%error, "connections that others open are not remembered");
    }
    remember(&HashSet::from([workload]), pipeline);
}

/// Remembers the connections that others had opened to containers before any agent watched here.
pub fn remember_accepted_before(pipeline: &mut Pipeline) {
    let running = pipeline.state.processes.running().map(|process| process.workload);
    let containers: HashSet<WorkloadId> = running.filter(|it| pipeline.state.is_container(*it)).collect();
    remember(&containers, pipeline);
}

fn remember(meant: &HashSet<WorkloadId>, pipeline: &mut Pipeline) {
    for path in namespaces(meant, pipeline) {
        let found = sockets::accepted(&path, |cgroup| is_of(cgroup, meant, pipeline));
        let remembered = found.map_err(|error| error.to_string()).and_then(|cookies| {
            pipeline.tables.remember_accepted(&cookies).map_err(|error| error.to_string())
        });
        if let Err(error) = remembered {
            tracing::warn!(%error, "answers on connections that others opened before may be refused");
        }
    }
}

/// The network namespaces that workloads have processes in, each by one of these.
fn namespaces(workloads: &HashSet<WorkloadId>, pipeline: &Pipeline) -> Vec<PathBuf> {
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let running = pipeline.state.processes.running();
    for process in running.filter(|it| workloads.contains(&it.workload)) {
        let path = PathBuf::from(format!("/proc/{}/ns/net", process.key.pid));
        if let Ok(namespace) = fs::read_link(&path) {
            found.entry(namespace).or_insert(path);
        }
    }
    found.into_values().collect()
}

/// Whether a cgroup belongs to one of these workloads.
fn is_of(cgroup: u64, workloads: &HashSet<WorkloadId>, pipeline: &Pipeline) -> bool {
    let found = pipeline.state.workloads.resolve(cofferdam_model::CgroupId(cgroup));
    found.is_some_and(|workload| workloads.contains(&workload.id))
}
