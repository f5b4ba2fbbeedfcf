//! The way of an event through the agent: decoded by the sensor, enriched here, into a batch for the journal.

mod access;
mod attempt;
mod connection;
mod counters;
mod discovery;
mod lateness;

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_inventory::cgroup_path::RuntimeState;
use cofferdam_inventory::hierarchy::FoundCgroup;
use cofferdam_inventory::processes::Beginning;
use cofferdam_inventory::workloads::WorkloadChange;
use cofferdam_model::{
    BootTime, CgroupId, DeniedBy, EnforcedBy, EventId, LossReason, PodUid, Process, ProcessKey, Record,
    Verdict, Workload, WorkloadId,
};
use cofferdam_sensor::abi::count::{Count, LossKey};
use cofferdam_sensor::abi::event::verdict;
use cofferdam_sensor::abi::key::{AccessKey, ConnectionKey};
use cofferdam_sensor::abi::process::ProcessState;
use cofferdam_sensor::{Event, Query, Stamp, Tables, Tier};

pub use access::{environment, secret_label};

use crate::bundle;
use crate::containment::names::{Named, Names};
use crate::counts::{Counts, Ended};
use crate::facts;
use crate::losses::Losses;
use crate::naming::environment_of;
use crate::secrets::Secrets;
use crate::state::State;
use lateness::Lateness;

/// Where events become records.
pub struct Pipeline {
    /// Who is who.
    pub state: State,
    /// Which file is which secret.
    pub secrets: Secrets,
    /// The kernel's tables.
    pub tables: Tables,
    /// Questions to the kernel.
    pub query: Query,
    /// Losses told so far.
    pub losses: Losses,
    /// Who the numbers of rules are.
    pub names: Names,
    /// What refuses opens and execs on this node.
    pub tier: Tier,
    accesses: Counts<AccessKey>,
    connections: Counts<ConnectionKey>,
    /// Whose end was seen: their counters are retired by the next reading.
    ended: Ended,
    batch: Vec<Record>,
    /// Cgroups that are new or were entered: their names are wanted.
    unnamed: Vec<CgroupId>,
    /// Runtimes that are about to start a container.
    starting: Vec<u32>,
    lateness: Lateness,
    mounts_stale: bool,
    written: u64,
    /// How often the kernel had left out each tracepoint's program at the last look.
    not_run: BTreeMap<String, u64>,
    looked_at_not_run: Option<BootTime>,
    /// Totals of losses that stand in the batch: told once it is committed.
    untold: Vec<(LossKey, u64)>,
}

impl Pipeline {
    /// An empty one.
    pub fn new(secrets: Secrets, tables: Tables, query: Query, tier: Tier) -> Self {
        Self {
            state: State::default(),
            secrets,
            tables,
            query,
            losses: Losses::default(),
            names: Names::default(),
            tier,
            accesses: Counts::default(),
            connections: Counts::default(),
            ended: Ended::default(),
            batch: Vec::new(),
            unnamed: Vec::new(),
            starting: Vec::new(),
            lateness: Lateness::default(),
            mounts_stale: false,
            written: 0,
            not_run: BTreeMap::new(),
            looked_at_not_run: None,
            untold: Vec::new(),
        }
    }

    /// The records since the last call of [`Pipeline::take_batch`].
    pub fn fresh(&self) -> &[Record] {
        &self.batch
    }

    /// The records since the last call.
    pub fn take_batch(&mut self) -> Vec<Record> {
        self.written += self.batch.len() as u64;
        std::mem::take(&mut self.batch)
    }

    /// Records handed over so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The batch is committed: an agent after this one need not tell its losses again.
    pub fn committed(&mut self) {
        for (key, total) in std::mem::take(&mut self.untold) {
            if let Err(error) = self.tables.set_told(key, total) {
                tracing::warn!(%error, "a loss may be told twice after a restart");
            }
        }
    }

    /// Drops what an agent before had watched and is no secret any more.
    pub fn settle_secrets(&mut self) -> Result<(), cofferdam_sensor::TableError> {
        let (filesystems, files, objects) = self.secrets.watched();
        self.tables.keep_only(&filesystems, &files, &objects)
    }

    /// Events that waited for the journal were given up.
    pub fn given_up(&mut self, count: u64, since: BootTime, now: BootTime) {
        let loss = self.losses.of_the_agent("journal", LossReason::JournalFailed, count, since, now);
        self.batch.extend(loss.map(Record::Loss));
    }

    /// The journal has begun anew: tells it everything that is so now. Counters follow with the next reading.
    pub fn tell_again(&mut self, now: BootTime) {
        self.batch.extend(self.state.workloads.iter().cloned().map(Record::Workload));
        self.batch.extend(self.secrets.present(now));
        let pods: BTreeSet<PodUid> =
            self.state.workloads.iter().filter_map(|workload| workload.kind.pod_uid().cloned()).collect();
        for pod in pods {
            let containers = self.state.of_pod(&pod);
            self.batch.extend(self.secrets.of_pod(&pod, &containers, now));
        }
        self.batch.extend(self.state.processes.told().into_iter().map(Record::Process));
        self.accesses.tell_again();
        self.connections.tell_again();
    }

    /// Adds a record from beside the stream of events.
    pub fn add(&mut self, records: impl IntoIterator<Item = Record>) {
        self.batch.extend(records);
    }

    /// Cgroups whose names are wanted since the last call.
    pub fn take_unnamed(&mut self) -> Vec<CgroupId> {
        std::mem::take(&mut self.unnamed)
    }

    /// Runtimes that were started since the last call.
    pub fn take_starting(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.starting)
    }

    /// Whether a mount has turned out to be stale since the last call.
    pub fn take_mounts_stale(&mut self) -> bool {
        std::mem::take(&mut self.mounts_stale)
    }

    /// Takes one event in.
    pub fn handle(&mut self, event: Event, runtimes: &dyn RuntimeState) {
        match event {
            Event::CgroupMade { stamp, cgroup, parent, path, .. } => {
                self.cgroup_made(cgroup, parent, &path, runtimes, stamp.time);
            }
            Event::CgroupRemoved { stamp, cgroup } => {
                if let Some(ended) = self.state.workloads.removed(cgroup, stamp.time) {
                    self.workload_ended(ended, stamp.time);
                }
            }
            Event::Fork { process, parent_exec, parent_start, .. } => {
                if let Some(mut record) = self.record(&process, None, None) {
                    record.parent_exec = Some(parent_exec);
                    record.parent = (parent_start.as_nanos() != 0)
                        .then_some(ProcessKey { pid: process.ppid, start: parent_start });
                    self.began(record, Beginning::Fork);
                }
            }
            Event::Exec { stamp, process, previous, path, interpreter } => {
                self.ended.programs.insert(previous);
                let is_runtime = process.uid == 0 && bundle::is_runtime(&path);
                if let Some(record) = self.record(&process, Some(path), interpreter) {
                    if is_runtime && !self.state.is_container(record.workload) {
                        self.starting.push(process.tgid);
                    }
                    let inside = (self.state.is_container(record.workload) && !record.runtime)
                        .then_some(record.workload);
                    if let Some(container) = inside {
                        self.unnamed.push(record.cgroup);
                        self.runs(container, record.key.pid, stamp.time);
                    }
                    self.began(record, Beginning::Exec { previous: Some(previous) });
                    inside.into_iter().for_each(|container| self.note_home(container));
                }
            }
            // What the process does next says where it is.
            Event::Entered { process, .. } => self.adopt_if_unknown(&process),
            Event::Exit { stamp, process, exec, .. } => {
                if self.state.processes.exited(process, exec, stamp.time) {
                    self.batch.push(Record::Exit { process, exec, at: stamp.time });
                }
                self.ended.processes.insert(process);
            }
            Event::Access { .. } => self.access_event(event),
            Event::Connection { .. } => self.connection_event(event),
            Event::StaleFilesystem { .. } => self.mounts_stale = true,
            Event::Attempt { .. } => self.attempt_event(event),
        }
    }

    fn workload_ended(&mut self, ended: Workload, now: BootTime) {
        if self.lateness.ended(ended.id) {
            self.watched_late(ended.id, now);
        }
        self.batch.extend(self.secrets.ended(ended.id, &mut self.tables, now));
        self.batch.extend(environment_of(&ended, now, Some(now)));
        self.batch.push(Record::Workload(ended));
    }

    fn cgroup_made(
        &mut self,
        cgroup: CgroupId,
        parent: CgroupId,
        path: &str,
        runtimes: &dyn RuntimeState,
        now: BootTime,
    ) {
        let change = self.state.cgroup_made(cgroup, parent, path, now, runtimes);
        self.place(change);
        self.unnamed.push(cgroup);
    }

    /// A cgroup that was there before the agent.
    pub fn cgroup_found(&mut self, found: &FoundCgroup, runtimes: &dyn RuntimeState, now: BootTime) {
        let change = self.state.workloads.made(found.id, found.parent, &found.path, now, runtimes);
        self.place(change);
        self.unnamed.push(found.id);
    }

    /// Looks again at a cgroup that a runtime may have claimed meanwhile.
    pub fn cgroup_again(&mut self, cgroup: CgroupId, runtimes: &dyn RuntimeState) {
        self.state.workloads.reconsider(cgroup, runtimes).into_iter().for_each(|change| self.place(change));
    }

    fn place(&mut self, change: WorkloadChange) {
        if change.workload.is_known()
            && let Err(error) = self.tables.set_cgroup(change.cgroup, change.workload, change.container)
        {
            tracing::warn!(%error, "a cgroup is only known to user space");
        }
        let Some(workload) = change.record else { return };
        let pod = workload.kind.pod_uid().cloned();
        self.batch.push(Record::Workload(workload));
        if let Some(pod) = pod {
            let visible_to = self.state.of_pod(&pod);
            self.batch.extend(self.secrets.of_pod(&pod, &visible_to, crate::host::boot_time()));
        }
    }

    /// What the kernel knows of a process, as a record.
    fn record(
        &self,
        process: &ProcessState,
        path: Option<String>,
        interpreter: Option<String>,
    ) -> Option<Process> {
        let workload = self.state.workload_of(WorkloadId(process.workload), CgroupId(process.cgroup));
        facts::process(process, workload, self.state.is_container(workload), path, interpreter)
    }

    fn began(&mut self, record: Process, beginning: Beginning) {
        self.batch.extend(self.state.processes.began(record, beginning).into_iter().map(Record::Process));
    }

    /// A process whose start was not seen: what the kernel tells now is all there is; the path is evidence from /proc.
    pub fn adopt_if_unknown(&mut self, process: &ProcessState) {
        if process.exec == 0 || self.state.program(EventId(process.exec)).is_some() {
            return;
        }
        let path = std::fs::read_link(format!("/proc/{}/exe", process.tgid));
        // It may run another program by now, or another process may have its number: then the path is not its.
        let is_current = self.tables.process(process.tgid).is_some_and(|now| now.exec == process.exec);
        let path = path.ok().filter(|_| is_current).map(|path| path.display().to_string());
        if let Some(mut record) = self.record(process, path, None) {
            let parent = self.state.processes.current(process.ppid);
            (record.parent, record.parent_exec) = (parent.map(|it| it.key), parent.map(|it| it.exec));
            if record.parent.is_none() && process.ppid != 0 {
                // It has ended meanwhile: only its number is known.
                record.parent = Some(ProcessKey { pid: process.ppid, start: BootTime::from_nanos(0) });
            }
            self.began(record, Beginning::Adopted);
        }
    }

    /// An event speaks of this process: it must stand in the journal before the event does.
    fn referenced(&mut self, process: &ProcessState) {
        self.adopt_if_unknown(process);
        self.journal_program(EventId(process.exec));
    }

    /// A counter speaks of a program whose beginning was lost: while it runs, the kernel's table knows it.
    fn find_program(&mut self, exec: Option<EventId>, pid: u32) {
        let Some(exec) = exec.filter(|exec| self.state.program(*exec).is_none()) else { return };
        if let Some(process) = self.tables.process(pid).filter(|process| process.exec == exec.0) {
            self.adopt_if_unknown(&process);
        }
    }

    /// Writes a program that is known into the batch, unless the journal has it.
    pub fn journal_program(&mut self, exec: EventId) {
        if let Some(process) = self.state.program(exec).cloned() {
            self.batch.extend(self.state.processes.referenced(&process).into_iter().map(Record::Process));
        }
    }

    /// What the kernel left out is a loss like any other.
    pub fn look_at_not_run(&mut self, now: BootTime) {
        let since = self.looked_at_not_run.replace(now).unwrap_or(now);
        for (program, total) in self.query.not_run() {
            let before = self.not_run.insert(program.to_owned(), total).unwrap_or(0);
            let count = total.saturating_sub(before);
            let loss = self.losses.of_the_agent(program, LossReason::NotRun, count, since, now);
            self.batch.extend(loss.map(Record::Loss));
        }
    }

    /// How often the kernel has left out each tracepoint's program.
    pub fn not_run(&self) -> impl Iterator<Item = (&str, u64)> {
        self.not_run
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(program, count)| (program.as_str(), *count))
    }

    /// Records that could not be decoded are a loss like any other.
    pub fn malformed(&mut self, count: u64, since: BootTime, now: BootTime) {
        let loss = self.losses.of_the_agent("ring", LossReason::Malformed, count, since, now);
        self.batch.extend(loss.map(Record::Loss));
    }
}

fn first_count(stamp: &Stamp, process: &ProcessState) -> Count {
    let time = stamp.time.as_nanos();
    Count {
        total: 1,
        last: time,
        first: time,
        cgroup: process.cgroup,
        cpu: (stamp.id.0 & 0xff) as u32,
        unsent: 0,
        generation: 0,
        rule: 0,
    }
}

/// What a rule has decided, as records tell it.
struct Decided {
    policy: Option<String>,
    rule: Option<String>,
    exception: bool,
    denied_by: Option<DeniedBy>,
    enforced_by: EnforcedBy,
}

impl Pipeline {
    /// `enforcing` is what refuses such things on this node.
    fn decided(&self, ruled: (u32, u32), number: u8, enforcing: EnforcedBy) -> Decided {
        let named = self.names.of(ruled);
        let has_spoken = named.is_some() || number == verdict::DENIED;
        let Named { policy, rule } = named.unwrap_or(Named { policy: None, rule: None });
        Decided {
            policy,
            rule,
            exception: number == verdict::EXCEPTED,
            denied_by: (number == verdict::DENIED).then_some(DeniedBy::Us),
            enforced_by: if has_spoken { enforcing } else { EnforcedBy::ObserveOnly },
        }
    }

    /// What refuses opens, execs and memory here.
    fn enforcing(&self, number: u8) -> EnforcedBy {
        match self.tier {
            Tier::Lsm => EnforcedBy::Lsm,
            // What was refused here the guard has held back.
            Tier::Tracepoint if number == verdict::DENIED => EnforcedBy::Fanotify,
            Tier::Tracepoint => EnforcedBy::ObserveOnly,
        }
    }
}

fn verdict_of(number: u8) -> Verdict {
    match number {
        verdict::DENIED => Verdict::Denied,
        verdict::WOULD_DENY => Verdict::WouldDeny,
        _ => Verdict::Allowed,
    }
}
