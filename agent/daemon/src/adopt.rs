//! What was there before the agent: cgroups, processes, and descriptors of secrets that are already open.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cofferdam_inventory::cgroup_path::RuntimeState;
use cofferdam_inventory::hierarchy::Hierarchy;
use cofferdam_inventory::mounts::Device;
use cofferdam_inventory::procfs::{self, FoundProcess, HeldFile};
use cofferdam_model::{Access, AccessKind, BootTime, EnforcedBy, EventId, Record, Verdict, WorkloadId};

use crate::facts;
use crate::pipeline::{Pipeline, secret_label};

/// Takes in the whole hierarchy, parents first.
pub fn cgroups(
    pipeline: &mut Pipeline,
    hierarchy: &Hierarchy,
    runtimes: &dyn RuntimeState,
    now: BootTime,
) -> Result<()> {
    let walk = hierarchy.walk()?;
    for found in &walk.cgroups {
        pipeline.cgroup_found(found, runtimes, now);
    }
    if walk.cut {
        tracing::warn!("there are more cgroups than are looked at: the rest is known once it is seen");
    }
    Ok(())
}

/// Takes over every process that runs. Containers that run are started: who enters them from now on is an exec
/// session.
pub fn processes(pipeline: &mut Pipeline) -> Result<()> {
    let scan =
        procfs::scan(Path::new("/proc"), &BTreeSet::new()).context("cannot look at what runs in /proc")?;
    let mut found = scan.processes;
    found.sort_unstable_by_key(|process| process.pid);
    let mut containers = BTreeSet::new();
    for process in &found {
        let Some(workload) = container_of(pipeline, process) else { continue };
        // The root that the oldest process sees is the container's: later ones may have changed theirs.
        let root = PathBuf::from(format!("/proc/{}/root", process.pid));
        let filesystem = pipeline.query.file(&root).ok().map(|facts| facts.key.filesystem);
        if let Err(error) = pipeline.tables.set_started(workload, filesystem) {
            tracing::warn!(%error, "a running container is taken for a new one");
        }
        let now = crate::host::boot_time();
        pipeline.look_into(workload, process.pid, now);
        containers.insert(workload);
    }
    for process in found {
        // It may be gone by now.
        if let Ok(state) = pipeline.query.adopt(process.pid) {
            pipeline.adopt_if_unknown(&state);
            if let Some(exec) = facts::exec_id(&state).filter(|_| !process.kernel_thread) {
                pipeline.journal_program(exec);
            }
        }
    }
    containers.into_iter().for_each(|container| pipeline.note_home(container));
    Ok(())
}

fn container_of(pipeline: &Pipeline, process: &FoundProcess) -> Option<WorkloadId> {
    let cgroup = pipeline.state.workloads.at(process.cgroup_path.as_deref()?)?;
    let workload = pipeline.state.workload_of(WorkloadId::UNKNOWN, cgroup);
    pipeline.state.is_container(workload).then_some(workload)
}

/// Descriptors of secrets that are open already: reported as held.
pub fn descriptors(pipeline: &mut Pipeline, now: BootTime) -> Result<()> {
    let devices: BTreeSet<Device> = pipeline.secrets.devices().into_iter().map(Device).collect();
    if devices.is_empty() {
        return Ok(());
    }
    let scan =
        procfs::scan(Path::new("/proc"), &devices).context("cannot look at open descriptors in /proc")?;
    let own = std::process::id();
    for (number, file) in scan.held.iter().filter(|file| file.pid != own).enumerate() {
        held(pipeline, file, number, now);
    }
    if scan.dropped + scan.unreadable > 0 {
        tracing::warn!(scan.dropped, scan.unreadable, "some descriptors were not looked at");
    }
    Ok(())
}

fn held(pipeline: &mut Pipeline, file: &HeldFile, number: usize, now: BootTime) {
    let descriptor = PathBuf::from(format!("/proc/{}/fd/{}", file.pid, file.fd));
    let Ok(facts) = pipeline.query.file(&descriptor) else { return };
    let name = std::fs::read_link(&descriptor).unwrap_or_default();
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !pipeline.secrets.is_secret(facts.key, &name) {
        return;
    }
    let Some(state) = pipeline.tables.process(file.pid) else { return };
    let (Some(secret), Some(exec)) = (pipeline.resolve(facts.key), facts::exec_id(&state)) else { return };
    let known = pipeline.state.program(exec).map(|program| (program.workload, program.cgroup));
    let Some((workload, cgroup)) = known else { return };
    pipeline.state.processes.touched(exec, &secret_label(&secret), now);
    let access = Access {
        // No event of the kernel: the moment of the look, and a number instead of the nanoseconds after it.
        id: EventId::new(BootTime::from_nanos(now.as_nanos() + number as u64), u32::from(u8::MAX)),
        first: now,
        last: now,
        total: 1,
        workload,
        cgroup,
        cgroup_path: pipeline.state.path_elsewhere(workload, cgroup),
        uid: Some(state.uid),
        process: facts::process_key(&state),
        exec: Some(exec),
        secret,
        inode: Some(facts.key),
        how: AccessKind::Held,
        mode: file.mode,
        target: None,
        verdict: Verdict::Allowed,
        denied_by: None,
        enforced_by: EnforcedBy::ObserveOnly,
        policy: None,
        rule: None,
        exception: false,
        generation: 0,
        order: None,
    };
    pipeline.add([Record::Access(access)]);
}
