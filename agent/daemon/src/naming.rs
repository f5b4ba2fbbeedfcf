//! Names for new containers: what runtimes keep on disk, asked again for a while because some of it is written late.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use cofferdam_inventory::environment::CredentialNames;
use cofferdam_inventory::mounts::MountTable;
use cofferdam_inventory::names::ContainerNames;
use cofferdam_inventory::oci_config::{self, ContainerConfig};
use cofferdam_inventory::runtime_state::RuntimesOnDisk;
use cofferdam_model::{BootTime, CgroupId, Record, SecretRef, Workload, WorkloadId};

use crate::bundle;
use crate::pipeline::{Pipeline, environment};

/// How often a new cgroup is looked at while its container is being set up: runc writes its state some 30 ms after
/// it has made the cgroup, and only milliseconds before the first program runs.
const EAGER: Duration = Duration::from_millis(2);
/// How long looks are eager.
pub const SETTING_UP: Duration = Duration::from_millis(250);
/// Later looks, for a node under load.
const LATER: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8)];
/// Cgroups that wait for their names at a time; beyond it the oldest is given up.
const WAITING_MAX: usize = 4_096;

/// Containers that are being started and have no cgroup yet.
const EXPECTED_MAX: usize = 64;

struct Wanted {
    cgroup: CgroupId,
    since: BootTime,
    due: Duration,
}

impl Wanted {
    /// When to look again after a look at `age`; `false`: it is given up.
    fn later(&mut self, age: Duration) -> bool {
        let next = match age < SETTING_UP {
            true => Some(age + EAGER),
            false => LATER.into_iter().find(|later| *later > age),
        };
        self.due = next.unwrap_or(self.due);
        next.is_some()
    }
}

/// Finds names.
pub struct Naming {
    /// What runtimes keep on disk.
    pub runtimes: RuntimesOnDisk,
    variables: CredentialNames,
    waiting: Vec<Wanted>,
    expected: VecDeque<Expected>,
}

/// A container that a runtime is starting.
struct Expected {
    /// The cgroup that it will have.
    cgroup: String,
    config: ContainerConfig,
    /// When the last of its secrets came to be watched, unless all of them had been before.
    watched: Option<BootTime>,
}

impl Naming {
    /// Nothing is wanted yet.
    pub fn new(runtimes: RuntimesOnDisk, variables: CredentialNames) -> Self {
        Self { runtimes, variables, waiting: Vec::new(), expected: VecDeque::new() }
    }

    /// A cgroup is new, or its first program has run.
    pub fn want(&mut self, cgroup: CgroupId, now: BootTime) {
        if self.waiting.iter().any(|wanted| wanted.cgroup == cgroup) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.remove(0);
        }
        self.waiting.push(Wanted { cgroup, since: now, due: Duration::ZERO });
    }

    /// When the next look is due.
    pub fn next_due(&self) -> Option<BootTime> {
        let due = |wanted: &Wanted| wanted.since.as_nanos() + wanted.due.as_nanos() as u64;
        self.waiting.iter().map(due).min().map(BootTime::from_nanos)
    }

    /// Takes every look that is due.
    pub fn look(&mut self, pipeline: &mut Pipeline, host: &MountTable, now: BootTime) {
        let due = |wanted: &Wanted| now.since(wanted.since) >= wanted.due;
        let (due, waiting): (Vec<Wanted>, Vec<Wanted>) = self.waiting.drain(..).partition(due);
        self.waiting = waiting;
        if due.iter().any(|wanted| is_provisional(pipeline, wanted.cgroup)) {
            self.runtimes.refresh();
        }
        for mut wanted in due {
            pipeline.cgroup_again(wanted.cgroup, &self.runtimes);
            let named = self.name(wanted.cgroup, pipeline, host, now);
            let age = now.since(wanted.since);
            if !named && !wanted.later(age) {
                pipeline.state.workloads.settle(wanted.cgroup);
            } else if !named {
                self.waiting.push(wanted);
            }
        }
    }

    /// A runtime was started on the command line: what its bundle mounts is watched before anything runs in it.
    pub fn expect(&mut self, pid: u32, pipeline: &mut Pipeline, host: &MountTable) {
        let Some(start) = bundle::of_process(pid) else { return };
        let Ok(file) = bundle::configuration(&start.bundle) else { return };
        let Ok(config) = oci_config::read(file, &self.variables) else { return };
        let config = config.in_bundle(&start.bundle);
        let watched = pipeline.expect_secrets(&config.secret_mounts, host);
        // runc names the cgroup after the container unless it is told another one.
        let cgroup = config.cgroups_path.clone().unwrap_or_else(|| format!("/{}", start.id));
        if self.expected.len() >= EXPECTED_MAX {
            self.expected.pop_front();
        }
        self.expected.push_back(Expected { cgroup, config, watched });
    }

    /// The configuration of a container that was expected at this cgroup.
    fn take_expected(&mut self, cgroup: &str) -> Option<(ContainerConfig, Option<BootTime>)> {
        let index = self.expected.iter().position(|expected| expected.cgroup == cgroup)?;
        self.expected.remove(index).map(|Expected { config, watched, .. }| (config, watched))
    }

    /// `true` when there is nothing more to look for.
    fn name(&mut self, cgroup: CgroupId, pipeline: &mut Pipeline, host: &MountTable, now: BootTime) -> bool {
        let workload = pipeline.state.workload_of(WorkloadId::UNKNOWN, cgroup);
        let Some(found) = pipeline.state.workloads.get(workload) else { return true };
        let Some(container_id) = found.kind.container_id().cloned() else {
            return !is_provisional(pipeline, cgroup);
        };
        let (kind, path) = (found.kind.clone(), found.cgroup_path.clone());
        let (expected, watched) = self.take_expected(&path).unzip();
        let told = self.runtimes.config(&kind, &self.variables).unwrap_or_else(|error| {
            // Read while it was being written, perhaps: there are further looks.
            tracing::debug!(%error, "a container's configuration");
            None
        });
        let Some(config) = told.or(expected) else { return false };
        let mounts = config.secret_mounts.clone();
        if let Some(root) = &config.root {
            pipeline.state.roots.insert(workload, PathBuf::from(root));
        }
        let names = ContainerNames::from_config(container_id, config);
        apply(pipeline, &names, now);
        pipeline.declare_secrets(workload, &mounts, host, watched.flatten(), now);
        true
    }
}

/// Whether a runtime may yet say that a cgroup is a container's.
fn is_provisional(pipeline: &Pipeline, cgroup: CgroupId) -> bool {
    pipeline.state.workloads.is_provisional(cgroup)
}

/// Adds names to the workload that they belong to, and who may see a pod's secrets.
pub fn apply(pipeline: &mut Pipeline, names: &ContainerNames, now: BootTime) {
    for workload in pipeline.state.workloads.named(names, now) {
        let pod = workload.kind.pod_uid().cloned();
        pipeline.add(environment_of(&workload, now, None));
        pipeline.add([Record::Workload(workload)]);
        if let Some(pod) = pod {
            let visible_to = pipeline.state.of_pod(&pod);
            let records = pipeline.secrets.of_pod(&pod, &visible_to, now);
            pipeline.add(records);
        }
    }
}

/// The credentials in a container's environment, by the names of its variables.
pub fn environment_of(workload: &Workload, now: BootTime, until: Option<BootTime>) -> Vec<Record> {
    let record = |name: &String| Record::Secret {
        secret: SecretRef { key: Some(name.clone()), ..environment(workload.id) },
        path: None,
        visible_to: vec![workload.id],
        since: now,
        until,
    };
    workload.credential_variables.iter().map(record).collect()
}
