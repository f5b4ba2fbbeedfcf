//! What was there before the agent: cgroups, processes, and descriptors of secrets that are already open.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_inventory::cgroup_path::RuntimeState;
use cofferdam_model::{
    Access, AccessKind, AccessMode, BootTime, CgroupId, EnforcedBy, EventId, Record, Verdict,
};

use crate::facts;
use crate::pipeline::{Pipeline, secret_label};

/// Cgroups below the root that are looked at.
const CGROUPS_MAX: usize = 32_768;

/// Takes in the whole hierarchy, parents first.
pub fn cgroups(pipeline: &mut Pipeline, root: &Path, runtimes: &dyn RuntimeState, now: BootTime) {
    let mut folders = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let Ok(found) = fs::metadata(&folder) else { continue };
        // Vanished or not: the path of the folder below the mount is the cgroup's path.
        let below = folder.strip_prefix(root).unwrap_or(Path::new("")).display().to_string();
        pipeline.cgroup_found(CgroupId(found.ino()), &format!("/{below}"), runtimes, now);
        seen += 1;
        if seen >= CGROUPS_MAX {
            tracing::warn!(CGROUPS_MAX, "more cgroups than are looked at: the rest is known once it is seen");
            return;
        }
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
}

/// Takes over every process that runs. Containers that run are started: who enters them from now on is an exec
/// session.
pub fn processes(pipeline: &mut Pipeline, now: BootTime) {
    let pids = pids();
    for pid in &pids {
        let Some(workload) = container_of(pipeline, *pid) else { continue };
        // The root that the oldest process sees is the container's: later ones may have changed theirs.
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let filesystem = pipeline.query.file(&root).ok().map(|facts| facts.key.filesystem);
        if let Err(error) = pipeline.tables.set_started(workload, filesystem) {
            tracing::warn!(%error, "a running container is taken for a new one");
        }
    }
    for pid in pids {
        // It may be gone by now.
        if let Ok(state) = pipeline.query.adopt(pid) {
            pipeline.adopt_if_unknown(&state, now);
            if let Some(exec) = facts::exec_id(&state) {
                pipeline.journal_process(exec);
            }
        }
    }
}

/// Process ids, oldest first as far as the numbers tell.
fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut pids: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

fn container_of(pipeline: &Pipeline, pid: u32) -> Option<cofferdam_model::WorkloadId> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let workload = pipeline.state.workload_at(path)?;
    pipeline.state.is_container(workload).then_some(workload)
}

/// Descriptors of secrets that are open already: reported as held.
pub fn descriptors(pipeline: &mut Pipeline, now: BootTime) {
    let devices = pipeline.secrets.devices();
    if devices.is_empty() {
        return;
    }
    let own = std::process::id();
    for pid in pids().into_iter().filter(|pid| *pid != own) {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for entry in entries.flatten() {
            held(pipeline, pid, &entry.path(), &devices, now);
        }
    }
}

fn held(pipeline: &mut Pipeline, pid: u32, descriptor: &Path, devices: &[u32], now: BootTime) {
    let Ok(found) = fs::metadata(descriptor) else { return };
    if !found.is_file() || !devices.contains(&kernel_device(found.dev())) {
        return;
    }
    let Ok(facts) = pipeline.query.file(descriptor) else { return };
    let name = fs::read_link(descriptor).unwrap_or_default();
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !pipeline.secrets.is_secret(facts.key, &name) {
        return;
    }
    let Some(state) = pipeline.tables.process(pid) else { return };
    let Some(secret) = pipeline.resolve(facts.key) else { return };
    let Some(exec) = facts::exec_id(&state) else { return };
    let known = pipeline.state.process(exec).map(|known| (known.process.workload, known.process.cgroup));
    let Some((workload, cgroup)) = known else { return };
    pipeline.state.touched(exec, &secret_label(&secret));
    let order = pipeline.state.order(workload, &secret_label(&secret));
    pipeline.add([Record::Access(Access {
        // No event made it: the descriptor's inode makes the id of this look unique.
        id: EventId::new(BootTime::from_nanos(now.as_nanos() ^ facts.key.ino << 16 ^ u64::from(pid)), 0),
        first: now,
        last: now,
        total: 1,
        workload,
        cgroup,
        process: facts::process_key(&state),
        exec: Some(exec),
        secret,
        inode: Some(facts.key),
        how: AccessKind::Held,
        mode: AccessMode::Read,
        target: None,
        verdict: Verdict::Allowed,
        denied_by: None,
        enforced_by: EnforcedBy::ObserveOnly,
        policy: None,
        generation: 0,
        order: Some(order),
    })]);
}

/// The kernel's own encoding of a device number, from user space's.
fn kernel_device(device: u64) -> u32 {
    (nix::sys::stat::major(device) as u32) << 20 | (nix::sys::stat::minor(device) as u32 & 0xf_ffff)
}
