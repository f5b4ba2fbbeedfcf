//! The way of an event through the agent: decoded by the sensor, enriched here, into a batch for the journal.

use std::collections::HashSet;

use cofferdam_inventory::cgroup_path::RuntimeState;
use cofferdam_inventory::hierarchy::FoundCgroup;
use cofferdam_inventory::mounts::MountTable;
use cofferdam_inventory::oci_config::DeclaredMount;
use cofferdam_inventory::processes::Beginning;
use cofferdam_inventory::workloads::WorkloadChange;
use cofferdam_model::{
    Access, AccessKind, AccessMode, BootTime, CgroupId, Connection, EnforcedBy, EventId, LossReason, Process,
    ProcessKey, Protocol, Record, SecretKind, SecretRef, Target, TargetRelation, Verdict, WorkloadId,
};
use cofferdam_sensor::abi::count::{Count, LossKey};
use cofferdam_sensor::abi::event::{how, mode, verdict};
use cofferdam_sensor::abi::key::{AccessKey, ConnectionKey};
use cofferdam_sensor::abi::process::ProcessState;
use cofferdam_sensor::{Event, Query, Stamp, Tables, model_inode};

use crate::bundle;
use crate::counts::Counts;
use crate::facts;
use crate::losses::Losses;
use crate::secrets::Secrets;
use crate::state::State;

/// What only the event of a first access tells.
struct Told {
    target: (WorkloadId, CgroupId),
    uid: u32,
    generation: u64,
}

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
    accesses: Counts<AccessKey>,
    connections: Counts<ConnectionKey>,
    /// Processes whose end was seen: their counters are retired by the next reading.
    ended: HashSet<ProcessKey>,
    batch: Vec<Record>,
    /// Cgroups that are new or were entered: their names are wanted.
    unnamed: Vec<CgroupId>,
    /// Runtimes that are about to start a container.
    starting: Vec<u32>,
    mounts_stale: bool,
    written: u64,
    /// Totals of losses that stand in the batch: told once it is committed.
    untold: Vec<(LossKey, u64)>,
}

impl Pipeline {
    /// An empty one.
    pub fn new(secrets: Secrets, tables: Tables, query: Query) -> Self {
        Self {
            state: State::default(),
            secrets,
            tables,
            query,
            losses: Losses::default(),
            accesses: Counts::default(),
            connections: Counts::default(),
            ended: HashSet::new(),
            batch: Vec::new(),
            unnamed: Vec::new(),
            starting: Vec::new(),
            mounts_stale: false,
            written: 0,
            untold: Vec::new(),
        }
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
        let (filesystems, files) = self.secrets.watched();
        self.tables.keep_only(&filesystems, &files)
    }

    /// A batch could not be written: its events are a loss. Counters are monotonic: what they tell next is whole.
    pub fn lost_batch(&mut self, batch: &[Record], now: BootTime) {
        let is_event = |record: &&Record| {
            matches!(
                record,
                Record::Access(_) | Record::Connection(_) | Record::Process(_) | Record::Exit { .. }
            )
        };
        let count = batch.iter().filter(is_event).count() as u64;
        if count > 0 {
            self.batch.push(Record::Loss(cofferdam_model::Loss {
                since: now,
                until: now,
                hook: "journal".to_owned(),
                workload: None,
                reason: LossReason::JournalFailed,
                count,
            }));
        }
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
                let ended = self.state.workloads.removed(cgroup, stamp.time);
                self.batch.extend(ended.map(Record::Workload));
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
                if bundle::is_runtime(&path) {
                    self.starting.push(process.tgid);
                }
                if let Some(record) = self.record(&process, Some(path), interpreter) {
                    if self.state.is_container(record.workload) && !record.runtime {
                        self.unnamed.push(record.cgroup);
                        self.look_into(record.workload, record.key.pid, stamp.time);
                    }
                    self.began(record, Beginning::Exec { previous: Some(previous) });
                }
            }
            // What the process does next says where it is.
            Event::Entered { process, .. } => self.adopt_if_unknown(&process),
            Event::Exit { stamp, process, exec, .. } => {
                if self.state.processes.exited(process, exec, stamp.time) {
                    self.batch.push(Record::Exit { process, exec, at: stamp.time });
                }
                self.ended.insert(process);
            }
            Event::Access { .. } => self.access_event(event),
            Event::Connection { stamp, process, key, uncounted, generation } => {
                self.referenced(&process);
                if !uncounted {
                    self.connections.first(key, stamp.id);
                }
                let count = first_count(&stamp, &process);
                self.connection(&key, stamp.id, &count, Some(process.uid), generation);
            }
            Event::StaleFilesystem { .. } => self.mounts_stale = true,
        }
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
        let path = path.ok().map(|path| path.display().to_string());
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

    fn access_event(&mut self, event: Event) {
        let Event::Access {
            stamp,
            process,
            object,
            target_workload,
            target_cgroup,
            how,
            mode,
            verdict,
            uncounted,
            generation,
            names,
        } = event
        else {
            return;
        };
        self.referenced(&process);
        let key = AccessKey {
            start: process.start,
            object,
            workload: process.workload,
            tgid: process.tgid,
            how,
            mode,
            verdict,
        };
        if !uncounted {
            self.accesses.first(key, stamp.id);
        }
        let count = first_count(&stamp, &process);
        let told = Told { target: (target_workload, target_cgroup), uid: process.uid, generation };
        self.access(&key, stamp.id, &count, &names, Some(told));
    }

    /// Makes the record of an access. Without an event the names and the target are found again.
    fn access(&mut self, key: &AccessKey, id: EventId, count: &Count, names: &[String], told: Option<Told>) {
        let (target, uid, generation) =
            told.map_or((None, None, 0), |told| (Some(told.target), Some(told.uid), told.generation));
        let is_process = matches!(key.how, how::ENVIRON | how::PTRACE);
        let cgroup = CgroupId(count.cgroup);
        let workload = self.state.workload_of(WorkloadId(key.workload), cgroup);
        let exec = (count.exec != 0 && key.tgid != 0).then_some(EventId(count.exec));
        let target = is_process.then(|| self.target(key, workload, target));
        let secret = match &target {
            Some(target) => environment(target.workload),
            None => match self.secrets.resolve(model_inode(key.object), names, &mut self.query) {
                Some(secret) => secret,
                // Not one of ours any more, or the self-test's.
                None => return,
            },
        };
        let name = secret_label(&secret);
        self.find_program(exec, key.tgid);
        let own = target.as_ref().is_some_and(|target| target.relation == TargetRelation::Own);
        let order = (!own && key.tgid != 0).then(|| self.state.first_reads.order(workload, &name)).flatten();
        if let Some(exec) = exec {
            self.journal_program(exec);
            if !own {
                self.state.processes.touched(exec, &name, BootTime::from_nanos(count.first));
            }
        }
        let target_program = target.as_ref().and_then(|target| self.state.program_of(target.process));
        if let Some(exec) = target_program.map(|program| program.exec) {
            self.journal_program(exec);
        }
        self.batch.push(Record::Access(Access {
            id,
            first: BootTime::from_nanos(count.first),
            last: BootTime::from_nanos(count.last),
            total: count.total,
            workload,
            cgroup,
            cgroup_path: self.state.path_elsewhere(workload, cgroup),
            uid,
            process: crate::counts::Key::process(key),
            exec,
            secret,
            inode: (!is_process).then(|| model_inode(key.object)),
            how: access_kind(key.how),
            mode: access_mode(key.mode),
            target,
            verdict: verdict_of(key.verdict),
            denied_by: None,
            enforced_by: EnforcedBy::ObserveOnly,
            policy: None,
            generation,
            order,
        }));
    }

    fn target(&self, key: &AccessKey, reader: WorkloadId, told: Option<(WorkloadId, CgroupId)>) -> Target {
        let process = ProcessKey { pid: key.object.generation, start: BootTime::from_nanos(key.object.ino) };
        let known = self.state.program_of(process);
        let (workload, cgroup) = match (told, known) {
            (Some((workload, cgroup)), _) => (self.state.workload_of(workload, cgroup), cgroup),
            (None, Some(known)) => (known.workload, known.cgroup),
            (None, None) => (WorkloadId::UNKNOWN, CgroupId(0)),
        };
        let relation = if crate::counts::Key::process(key) == Some(process) {
            TargetRelation::Own
        } else if workload.is_known() && workload == reader {
            TargetRelation::Sibling
        } else {
            TargetRelation::Other
        };
        Target { process, workload, cgroup, relation }
    }

    fn connection(
        &mut self,
        key: &ConnectionKey,
        id: EventId,
        count: &Count,
        uid: Option<u32>,
        generation: u64,
    ) {
        let cgroup = CgroupId(count.cgroup);
        let exec = (count.exec != 0 && key.tgid != 0).then_some(EventId(count.exec));
        self.find_program(exec, key.tgid);
        let tainted_by = exec.map(|exec| self.state.processes.tainted_by(exec)).unwrap_or_default();
        if let Some(exec) = exec {
            self.journal_program(exec);
        }
        let process = crate::counts::Key::process(key);
        let workload = self.state.workload_of(WorkloadId(key.workload), cgroup);
        self.batch.push(Record::Connection(Connection {
            id,
            first: BootTime::from_nanos(count.first),
            last: BootTime::from_nanos(count.last),
            total: count.total,
            workload,
            cgroup,
            cgroup_path: self.state.path_elsewhere(workload, cgroup),
            uid,
            process,
            exec,
            destination: process.map(|_| destination(key)),
            port: key.port,
            protocol: protocol(key.protocol),
            family: key.family,
            unconnected: key.unconnected != 0,
            tainted_by,
            verdict: verdict_of(key.verdict),
            denied_by: None,
            enforced_by: EnforcedBy::ObserveOnly,
            policy: None,
            generation,
        }));
    }

    /// Reads the kernel's counters and losses.
    pub fn tick(&mut self, now: BootTime) -> Result<(), cofferdam_sensor::TableError> {
        // Whose end was seen before the tables are read can add nothing any more.
        let dead = std::mem::take(&mut self.ended);
        let mut entries = Vec::new();
        self.tables.for_each_access(|key, count| entries.push((key, count)))?;
        let reading = self.accesses.read(&entries, &dead);
        for (key, id, count) in reading.grown {
            self.access(&key, id, &count, &[], None);
        }
        for key in &reading.ended {
            self.tables.forget_access(key);
        }
        let mut entries = Vec::new();
        self.tables.for_each_connection(|key, count| entries.push((key, count)))?;
        let reading = self.connections.read(&entries, &dead);
        for (key, id, count) in reading.grown {
            self.connection(&key, id, &count, None, 0);
        }
        for key in &reading.ended {
            self.tables.forget_connection(key);
        }
        let totals = self.tables.losses()?;
        let losses = self.losses.look(&totals, now);
        if !losses.is_empty() {
            self.untold = totals;
        }
        for mut loss in losses {
            loss.workload = loss.workload.map(|id| self.state.workload_of(id, CgroupId(id.0)));
            self.batch.push(Record::Loss(loss));
        }
        for cgroup in self.state.prune(now) {
            self.tables.forget_cgroup(cgroup);
            self.secrets.forget_view(WorkloadId::rooted_at(cgroup));
        }
        Ok(())
    }

    /// Finds processes whose end was not seen, because the ring was full: the kernel's own table does not hold them.
    pub fn sweep(&mut self, now: BootTime) {
        let mut candidates = self.accesses.processes();
        candidates.extend(self.connections.processes());
        candidates.extend(self.state.processes.running().map(|process| process.key));
        for process in candidates {
            let alive =
                self.tables.process(process.pid).is_some_and(|state| state.start == process.start.as_nanos());
            if alive {
                continue;
            }
            if let Some(exec) = self.state.program_of(process).map(|program| program.exec) {
                self.state.processes.exited(process, exec, now);
            }
            self.ended.insert(process);
        }
    }

    /// Records that could not be decoded are a loss like any other.
    pub fn malformed(&mut self, count: u64, since: BootTime, now: BootTime) {
        if count > 0 {
            self.batch.push(Record::Loss(cofferdam_model::Loss {
                since,
                until: now,
                hook: "ring".to_owned(),
                workload: None,
                reason: LossReason::Malformed,
                count,
            }));
        }
    }

    /// The secret that a file is, by its key alone.
    pub fn resolve(&mut self, key: cofferdam_model::InodeKey) -> Option<SecretRef> {
        self.secrets.resolve(key, &[], &mut self.query)
    }

    /// What a container's configuration declares at or below `/run/secrets`.
    pub fn declare_secrets(
        &mut self,
        owner: WorkloadId,
        mounts: &[DeclaredMount],
        host: &MountTable,
        now: BootTime,
    ) {
        let Self { secrets, query, tables, batch, .. } = self;
        // What was expected is watched already; only what is news now can be late.
        let _ = secrets.take_late();
        batch.extend(secrets.declared(owner, mounts, host, query, tables, now));
        if secrets.take_late() && tables.is_started(owner) {
            // Its programs ran before its secrets were known: what they read meanwhile was not seen.
            batch.push(Record::Loss(cofferdam_model::Loss {
                since: self.state.workloads.get(owner).map_or(now, |workload| workload.since),
                until: now,
                hook: "open".to_owned(),
                workload: Some(owner),
                reason: LossReason::Unwatched,
                count: 1,
            }));
        }
    }

    /// What a container that is about to start will have mounted.
    pub fn expect_secrets(&mut self, mounts: &[DeclaredMount], host: &MountTable) {
        let Self { secrets, query, tables, .. } = self;
        secrets.expected(mounts, host, query, tables);
    }

    /// Looks at a running container's mount table, once: which volumes it has, and what lies at or below its
    /// `/run/secrets`.
    pub fn look_into(&mut self, container: WorkloadId, pid: u32, now: BootTime) {
        if self.secrets.has_view(container) {
            return;
        }
        let Self { secrets, query, tables, batch, .. } = self;
        batch.extend(secrets.mounted_in(container, pid, query, tables, now));
        if let Some(pod) = self.state.workloads.get(container).and_then(|it| it.kind.pod_uid()).cloned() {
            let containers = self.state.of_pod(&pod);
            self.batch.extend(self.secrets.of_pod(&pod, &containers, now));
        }
    }

    /// Looks at the host's mounts again.
    pub fn refresh_secrets(&mut self, host: &MountTable, now: BootTime) {
        let Self { secrets, query, tables, batch, .. } = self;
        batch.extend(secrets.refresh(host, query, tables, now));
    }
}

fn first_count(stamp: &Stamp, process: &ProcessState) -> Count {
    let time = stamp.time.as_nanos();
    Count {
        total: 1,
        last: time,
        first: time,
        exec: process.exec,
        cgroup: process.cgroup,
        cpu: (stamp.id.0 & 0xff) as u32,
        unsent: 0,
    }
}

/// The environment of a workload's processes, as a secret.
pub fn environment(owner: WorkloadId) -> SecretRef {
    SecretRef {
        kind: SecretKind::Environment,
        namespace: None,
        name: "environment".to_owned(),
        pod_uid: None,
        uid: None,
        key: None,
        owner: owner.is_known().then_some(owner),
    }
}

/// Display name with key, as `tainted_by` shows it.
pub fn secret_label(secret: &SecretRef) -> String {
    match &secret.key {
        Some(key) => format!("{}:{key}", secret.display_name()),
        None => secret.display_name(),
    }
}

fn access_kind(number: u16) -> AccessKind {
    match number {
        how::RECEIVE => AccessKind::Receive,
        how::MMAP => AccessKind::Mmap,
        how::ENVIRON => AccessKind::Environ,
        how::PTRACE => AccessKind::Ptrace,
        _ => AccessKind::Open,
    }
}

fn access_mode(bits: u8) -> AccessMode {
    match (bits & mode::ATTACH != 0, bits & mode::READ != 0, bits & mode::WRITE != 0) {
        (true, ..) => AccessMode::Attach,
        (_, true, true) => AccessMode::ReadWrite,
        (_, false, true) => AccessMode::Write,
        _ => AccessMode::Read,
    }
}

fn verdict_of(number: u8) -> Verdict {
    match number {
        verdict::DENIED => Verdict::Denied,
        verdict::WOULD_DENY => Verdict::WouldDeny,
        _ => Verdict::Allowed,
    }
}

fn protocol(number: u8) -> Protocol {
    match number {
        6 => Protocol::Tcp,
        17 | 136 => Protocol::Udp,
        1 | 58 => Protocol::Icmp,
        132 => Protocol::Sctp,
        _ => Protocol::Other,
    }
}

/// A mapped address is IPv4 to whoever asks.
fn destination(key: &ConnectionKey) -> std::net::IpAddr {
    let address = key.address;
    if key.family == 4 {
        return std::net::Ipv4Addr::new(address[0], address[1], address[2], address[3]).into();
    }
    std::net::Ipv6Addr::from(address).to_canonical()
}
