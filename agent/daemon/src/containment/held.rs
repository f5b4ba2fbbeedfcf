//! What processes of a workload held open or mapped of a secret when a policy came: no rule takes that away, so it is
//! told.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_model::{AuditKind, BootTime, Record, WorkloadId};

use super::told::audit;
use crate::pipeline::{Pipeline, secret_label};

/// Descriptors and mappings that are looked at of one process.
const LOOKS_MAX: usize = 4_096;

/// Looks through the descriptors and mappings of these workloads' processes.
pub fn look(workloads: &BTreeSet<WorkloadId>, pipeline: &mut Pipeline, now: BootTime) -> Vec<Record> {
    let devices: BTreeSet<u32> = pipeline.secrets.devices().into_iter().collect();
    let running = pipeline.state.processes.running().filter(|it| workloads.contains(&it.workload));
    let processes: Vec<(u32, WorkloadId, Option<String>)> =
        running.map(|it| (it.key.pid, it.workload, it.executable.path.clone())).collect();
    let mut records = Vec::new();
    for (pid, workload, binary) in processes {
        let binary = binary.unwrap_or_else(|| "a program that is not known".to_owned());
        for (folder, how) in [("fd", "open"), ("map_files", "mapped")] {
            for secret in held(Path::new(&format!("/proc/{pid}/{folder}")), &devices, pipeline) {
                let detail = format!(
                    "{binary} (pid {pid}) has it {how} since before the policy: it stays readable there until the process ends"
                );
                records.push(audit(AuditKind::Held, &secret, Some(workload), None, detail, now));
            }
        }
    }
    records
}

/// Labels of the secrets that the links of a folder lead to.
fn held(folder: &Path, devices: &BTreeSet<u32>, pipeline: &mut Pipeline) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).take(LOOKS_MAX).collect();
    let mut found = BTreeSet::new();
    for path in paths {
        let Ok(meta) = fs::metadata(&path) else { continue };
        // glibc's numbers to the kernel's: major << 20 | minor.
        let device =
            (nix::sys::stat::major(meta.st_dev()) << 20 | nix::sys::stat::minor(meta.st_dev())) as u32;
        if !std::fs::FileType::is_file(&meta.file_type()) || !devices.contains(&device) {
            continue;
        }
        let Ok(facts) = pipeline.query.file(&path) else { continue };
        let name = fs::read_link(&path).unwrap_or_default();
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if pipeline.secrets.is_secret(facts.key, &name)
            && let Some(secret) = pipeline.resolve(facts.key)
        {
            found.insert(secret_label(&secret));
        }
    }
    found
}
