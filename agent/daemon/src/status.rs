//! The agent's own state, as `cofferdam status` shows it.

use std::collections::HashMap;
use std::path::PathBuf;

use cofferdam_api::{
    Counter, HookEvents, JournalStatus, Memory, Program, Ring, Source, Status, TableFill, WorkloadCount,
};
use cofferdam_inventory::cri::CriStatus;
use cofferdam_journal::Journal;
use cofferdam_model::{BootId, WallTime, WorkloadId};
use cofferdam_sensor::{AttachState, HookReport, Tier, abi};

use crate::backend;
use crate::host;
use crate::pipeline::Pipeline;

/// What does not change while the agent runs.
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its cluster.
    pub cluster: Option<String>,
    /// When the agent was started.
    pub started: WallTime,
    /// This boot.
    pub boot: BootId,
    /// Where the journal lies.
    pub journal: PathBuf,
}

/// Makes it.
pub fn make(
    node: &Node,
    ready: Option<WallTime>,
    tier: Tier,
    hooks: &[HookReport],
    pipeline: &Pipeline,
    journal: &Journal,
    cri: &CriStatus,
) -> Status {
    let tables = &pipeline.tables;
    let written = journal.status();
    Status {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        abi_version: abi::ABI_VERSION,
        node: node.name.clone(),
        cluster: node.cluster.clone(),
        pid: std::process::id(),
        started: node.started,
        ready,
        tier: Some(backend::tier(tier)),
        boot_id: node.boot.clone(),
        programs: hooks.iter().map(program).collect(),
        rings: vec![ring("priority", abi::map::PRIORITY_RING), ring("bulk", abi::map::BULK_RING)],
        events: tables
            .sent()
            .unwrap_or_default()
            .into_iter()
            .map(|(hook, events)| HookEvents { hook: hook.name().to_owned(), events })
            .collect(),
        counters: tables
            .counters()
            .unwrap_or_default()
            .into_iter()
            .map(|counter| Counter {
                hook: counter.hook.name().to_owned(),
                reason: counter.reason.name().to_owned(),
                count: counter.total,
            })
            .collect(),
        losses: by_workload(pipeline, pipeline.losses.lost()),
        over_budget: by_workload(pipeline, pipeline.losses.over_budget()),
        tables: fills(pipeline),
        journal: JournalStatus {
            path: node.journal.display().to_string(),
            bytes: written.bytes,
            max_bytes: written.max_size,
            rows: pipeline.written(),
            segments: written.segments as u64,
            oldest: Some(written.since),
            errors: written
                .set_aside
                .iter()
                .map(|path| format!("{} was corrupt and is set aside", path.display()))
                .chain(
                    (written.shed > 0)
                        .then(|| format!("{} events were given up to stay within bounds", written.shed)),
                )
                .collect(),
        },
        sources: sources(pipeline, cri),
        watchers: 0,
        memory: Memory { rss_bytes: host::resident_bytes(), map_bytes: tables.bytes() },
    }
}

fn program(hook: &HookReport) -> Program {
    Program {
        name: hook.point.program.to_owned(),
        attach_point: hook.point.to.describe(),
        attached: hook.state == AttachState::Attached,
    }
}

fn ring(name: &str, bytes: u32) -> Ring {
    Ring { name: name.to_owned(), bytes: bytes.into() }
}

fn by_workload(pipeline: &Pipeline, counts: &HashMap<WorkloadId, u64>) -> Vec<WorkloadCount> {
    let name = |id: &WorkloadId| {
        pipeline.state.workloads.get(*id).map(|workload| workload.name().as_str().to_owned())
    };
    let mut counts: Vec<WorkloadCount> =
        counts.iter().map(|(id, count)| WorkloadCount { workload: name(id), count: *count }).collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.workload.cmp(&b.workload)));
    counts
}

fn fills(pipeline: &Pipeline) -> Vec<TableFill> {
    let kernel = pipeline.tables.levels().into_iter().map(|level| TableFill {
        name: format!("kernel {}", level.name),
        used: level.used,
        capacity: level.capacity,
    });
    kernel.collect()
}

fn sources(pipeline: &Pipeline, cri: &CriStatus) -> Vec<Source> {
    let failures: Vec<String> =
        pipeline.secrets.failures().map(|(path, reason)| format!("{}: {reason}", path.display())).collect();
    // A host without pods needs no CRI.
    let has_pods = pipeline.state.workloads.iter().any(|workload| workload.kind.pod_uid().is_some());
    let answers = !matches!(cri, CriStatus::Unreachable { .. });
    let runtime = Source { name: "CRI".to_owned(), state: cri.to_string(), ok: answers || !has_pods };
    let secrets = Source {
        name: "secrets".to_owned(),
        state: match failures.as_slice() {
            [] => format!("{} found, all watched", pipeline.secrets.len()),
            failures => format!("{} found; not watched: {}", pipeline.secrets.len(), failures.join("; ")),
        },
        ok: failures.is_empty(),
    };
    vec![secrets, runtime]
}
