//! The agent's own state, as `cofferdam status` shows it.

use std::collections::HashMap;
use std::path::PathBuf;

use cofferdam_api::{
    Counter, HookEvents, JournalStatus, Memory, Program, Ring, Source, Status, TableFill, WorkloadCount,
};
use cofferdam_guard::State;
use cofferdam_inventory::cri::CriStatus;
use cofferdam_inventory::mounts::MountTable;
use cofferdam_inventory::runtime_state::RuntimesOnDisk;
use cofferdam_journal::Journal;
use cofferdam_model::{BootId, WallTime, WorkloadId};
use cofferdam_sensor::{AttachState, HookReport, Tier, abi};

use crate::backend;
use crate::containment::guarding::Guarding;
use crate::detections::Detections;
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
    /// The tier in use.
    pub tier: Tier,
    /// What became of the hooks.
    pub hooks: Vec<HookReport>,
}

/// What is looked at.
pub struct Parts<'a> {
    /// What does not change.
    pub node: &'a Node,
    /// Since when the agent is ready.
    pub ready: Option<WallTime>,
    /// Kernel and who is who.
    pub pipeline: &'a Pipeline,
    /// The journal.
    pub journal: &'a Journal,
    /// Why the journal cannot be written now.
    pub trouble: Option<String>,
    /// What runtimes keep on disk.
    pub runtimes: &'a RuntimesOnDisk,
    /// The host's mounts.
    pub mounts: &'a MountTable,
    /// The runtime's socket.
    pub cri: &'a CriStatus,
    /// What holds back opens, where something does.
    pub guarding: &'a Guarding,
    /// Detection rules.
    pub detections: &'a Detections,
}

/// Makes it.
pub fn make(parts: &Parts<'_>) -> Status {
    let Parts { node, pipeline, .. } = parts;
    Status {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        abi_version: abi::ABI_VERSION,
        node: node.name.clone(),
        cluster: node.cluster.clone(),
        pid: std::process::id(),
        started: node.started,
        ready: parts.ready,
        tier: Some(backend::tier(node.tier)),
        boot_id: node.boot.clone(),
        programs: node.hooks.iter().map(program).collect(),
        rings: vec![ring("priority", abi::map::PRIORITY_RING), ring("bulk", abi::map::BULK_RING)],
        events: events(pipeline),
        counters: of_the_kernel(pipeline).into_iter().chain(of_bounds(parts)).collect(),
        losses: by_workload(pipeline, pipeline.losses.lost()),
        over_budget: by_workload(pipeline, pipeline.losses.over_budget()),
        tables: fills(pipeline),
        journal: journal(parts),
        sources: sources(parts),
        watchers: 0,
        rules: parts.detections.rules(),
        memory: Memory { rss_bytes: host::resident_bytes(), map_bytes: pipeline.tables.bytes() },
    }
}

fn events(pipeline: &Pipeline) -> Vec<HookEvents> {
    let sent = pipeline.tables.sent().unwrap_or_default();
    sent.into_iter().map(|(hook, events)| HookEvents { hook: hook.name().to_owned(), events }).collect()
}

fn of_the_kernel(pipeline: &Pipeline) -> Vec<Counter> {
    let counters = pipeline.tables.counters().unwrap_or_default();
    let named = |counter: cofferdam_sensor::Counter| Counter {
        hook: counter.hook.name().to_owned(),
        reason: counter.reason.name().to_owned(),
        count: counter.total,
    };
    let not_run = pipeline.not_run().map(|(program, count)| Counter {
        hook: program.to_owned(),
        reason: "not_run".to_owned(),
        count,
    });
    counters.into_iter().map(named).chain(not_run).collect()
}

/// What bounds and gaps on our side have cost.
fn of_bounds(parts: &Parts<'_>) -> Vec<Counter> {
    let state = &parts.pipeline.state;
    let (workloads, processes) = (state.workloads.counters(), state.processes.counters());
    [
        ("cgroups", "root_unknown", workloads.rootless),
        ("cgroups", "table_full", workloads.cgroups_dropped),
        ("cgroups", "forgotten_early", workloads.tombstones_dropped),
        ("names", "forgotten_early", workloads.names_dropped),
        ("secrets", "left_out", parts.pipeline.secrets.left_out()),
        ("processes", "table_full", processes.running_dropped),
        ("processes", "forgotten_early", processes.ended_dropped),
        ("processes", "touch_forgotten", processes.touches_dropped),
        ("processes", "touch_of_unknown", processes.touches_unknown),
        ("first_reads", "table_full", state.first_reads.unnumbered()),
        ("runtimes", "table_full", parts.runtimes.dropped()),
        ("mounts", "table_full", parts.mounts.dropped),
        ("mounts", "not_understood", parts.mounts.malformed),
    ]
    .into_iter()
    .chain(parts.detections.bounds())
    .filter(|(_, _, count)| *count > 0)
    .map(|(hook, reason, count)| Counter { hook: hook.to_owned(), reason: reason.to_owned(), count })
    .collect()
}

fn journal(parts: &Parts<'_>) -> JournalStatus {
    let written = parts.journal.status();
    let corrupt = written.set_aside.iter();
    let corrupt = corrupt.map(|path| format!("{} was corrupt and is set aside", path.display()));
    let shed =
        (written.shed > 0).then(|| format!("{} events were given up to stay within bounds", written.shed));
    JournalStatus {
        path: parts.node.journal.display().to_string(),
        bytes: written.bytes,
        max_bytes: written.max_size,
        rows: parts.pipeline.written(),
        segments: written.segments as u64,
        oldest: Some(written.since),
        errors: corrupt.chain(shed).chain(parts.trouble.clone()).collect(),
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

fn sources(parts: &Parts<'_>) -> Vec<Source> {
    let Parts { pipeline, cri, guarding, detections, .. } = parts;
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
    let mut found = vec![secrets, runtime, detections.source()];
    found.extend(guard(guarding));
    found
}

/// What the guard refused without a rule is told by nothing else.
fn guard(guarding: &Guarding) -> Option<Source> {
    let name = "guard".to_owned();
    if let Some(trouble) = guarding.trouble() {
        return Some(Source { name, state: trouble.to_owned(), ok: false });
    }
    let State { allowed, denied, unclear, failed, .. } = guarding.state()?;
    let state = format!(
        "{allowed} opens went on, {denied} were refused by rules, {unclear} because nobody could say whose they were, \
         {failed} by the kernel because it could not hand them over"
    );
    Some(Source { name, state, ok: true })
}
