//! Keeps what the kernel holds for each workload at what the policies and orders in force say: notices what may have
//! changed, and looks at the workloads that it concerns.

mod baseline;
mod room;
mod rows;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::mpsc::SyncSender;

pub use baseline::{BASELINE, Baseline};
use cofferdam_model::{AuditKind, BootTime, Peer, Record, Workload, WorkloadId};
use cofferdam_policy::{Compiled, Object, Policy, Tier};
use rows::{bind_by_all, limits, rows};

use super::guarding::Guarding;
use super::held;
use super::hosts::{self, Hosts};
use super::inside::Inside;
use super::orders::{Orders, described};
use super::store::{Change, Read, Store};
use super::told::{self, audit};
use super::wall::Wall;
use crate::pipeline::Pipeline;
use crate::threads::Message;

/// How long rows of a replaced generation stay: a program that has read the old number may still ask for them.
const GRACE_NS: u64 = 2_000_000_000;

/// What does not change while the agent runs.
#[derive(Debug)]
pub struct Setup {
    /// What the node's kernel can do.
    pub tier: Tier,
    /// For containers for which nothing is decided yet.
    pub baseline: Baseline,
    /// Resolvers that stay reachable; none: the node's.
    pub resolvers: Vec<IpAddr>,
    /// The greatest generation that the kernel holds.
    pub latest: u32,
}

/// What one workload has.
#[derive(Debug, Default)]
pub struct Current {
    /// Its generation; `None`: nothing is refused to it.
    pub compiled: Option<Compiled>,
    /// Its first generation came after its first program.
    pub late: bool,
    /// Why nothing was decided yet, or not all.
    pub pending: Option<String>,
    /// Its binaries were looked for from within.
    rooted: bool,
    /// What was found at the last look.
    found: Inside,
}

/// What could not be compiled or installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For whom.
    pub workload: String,
    /// Why.
    pub error: String,
}

/// Which workloads are to be looked at.
#[derive(Debug, Default)]
struct Dirty {
    all: bool,
    some: BTreeSet<WorkloadId>,
}

/// Puts policies and orders into force.
pub struct Enforcer {
    /// The policies.
    pub store: Store,
    /// The orders.
    pub orders: Orders,
    /// The clock that exceptions expire by.
    pub wall: Wall,
    /// What holds back opens on the tracepoint tier.
    pub guarding: Guarding,
    /// What could not be compiled or installed: it is tried again with every tick.
    pub failures: BTreeMap<WorkloadId, Failure>,
    hosts: Hosts,
    resolvers: Vec<IpAddr>,
    tier: Tier,
    baseline: Baseline,
    next: u32,
    current: HashMap<WorkloadId, Current>,
    retired: VecDeque<(BootTime, Compiled)>,
    pending: Option<Compiled>,
    dirty: Dirty,
    /// Workloads that ran before their policy: what they hold is looked for.
    held: BTreeSet<WorkloadId>,
    to: SyncSender<Message>,
}

/// What does not change while workloads are looked at.
struct Round<'a> {
    policies: &'a [Policy],
    objects: Vec<Object>,
    now: BootTime,
}

impl Enforcer {
    /// Nothing is assigned yet; numbers go on after those that the kernel holds.
    pub fn new(
        store: Store,
        orders: Orders,
        wall: Wall,
        setup: Setup,
        guarding: Guarding,
        to: SyncSender<Message>,
    ) -> Self {
        let Setup { tier, baseline, resolvers, latest } = setup;
        let resolvers = if resolvers.is_empty() { hosts::resolvers() } else { resolvers };
        Self {
            store,
            orders,
            wall,
            guarding,
            failures: BTreeMap::new(),
            hosts: Hosts::default(),
            resolvers,
            tier,
            baseline,
            next: latest + 1,
            current: HashMap::new(),
            retired: VecDeque::new(),
            pending: None,
            dirty: Dirty { all: true, some: BTreeSet::new() },
            held: BTreeSet::new(),
            to,
        }
    }

    /// What workloads have.
    pub fn current(&self) -> impl Iterator<Item = (WorkloadId, &Current)> {
        self.current.iter().map(|(workload, current)| (*workload, current))
    }

    /// Everything is to be looked at again.
    pub fn touch_all(&mut self) {
        self.dirty.all = true;
    }

    /// What has happened may change what a workload shall have.
    pub fn see(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Workload(workload) => drop(self.dirty.some.insert(workload.id)),
                Record::Secret { .. } => self.dirty.all = true,
                Record::Process(process) => {
                    let waits = self.current.get(&process.workload).is_some_and(|it| !it.rooted);
                    if waits && !process.runtime {
                        self.dirty.some.insert(process.workload);
                    }
                }
                _ => {}
            }
        }
    }

    /// Addresses of destinations were told.
    pub fn take_hosts(&mut self, found: BTreeMap<String, Vec<IpAddr>>) {
        self.dirty.all |= self.hosts.take(found);
    }

    /// Looks at the policy folder and the clock.
    pub fn tick(&mut self, pipeline: &mut Pipeline, now: BootTime) -> Vec<Record> {
        self.wall.read(cofferdam_model::WallTime::now(), now);
        let wall = self.wall.now(now);
        let (mut changes, files) = self.store.look(wall);
        if let Some(files) = files {
            changes.extend(self.take_files(files, pipeline, now));
            changes.extend(self.store.lift(wall));
        }
        changes.extend(self.store.roll_back(self.wall.moment(now)));
        changes.extend(self.store.ended(wall));
        let mut records = self.changed(changes, None, now);
        for id in self.orders.ended(now) {
            match self.orders.remove(&id) {
                Ok(Some(row)) => {
                    self.dirty.all = true;
                    let detail = format!("its time is over; {}", described(&row));
                    records.push(audit(AuditKind::Released, &id, None, None, detail, now));
                }
                Ok(None) => {}
                Err(error) => tracing::error!("an order that has ended stays on disk: {error:#}"),
            }
        }
        self.ask_for_hosts(now);
        self.guard(pipeline);
        self.try_again(pipeline);
        self.forget_the_gone(pipeline);
        while self
            .retired
            .front()
            .is_some_and(|(since, _)| now.as_nanos().saturating_sub(since.as_nanos()) > GRACE_NS)
        {
            if let Some((_, compiled)) = self.retired.pop_front() {
                pipeline.tables.withdraw(&rows(&compiled));
            }
        }
        records
    }

    /// What could not be put into force may be by now: rows of others have gone.
    fn try_again(&mut self, pipeline: &Pipeline) {
        let is_live =
            |id: &WorkloadId| pipeline.state.workloads.get(*id).is_some_and(|it| it.until.is_none());
        self.failures.retain(|id, _| is_live(id));
        self.dirty.some.extend(self.failures.keys());
    }

    /// Puts files of the policy folder into force, as many at once as there is room for.
    fn take_files(&mut self, mut files: Vec<Read>, pipeline: &mut Pipeline, now: BootTime) -> Vec<Change> {
        if files.is_empty() {
            return Vec::new();
        }
        let wall = self.wall.now(now);
        match (self.has_room(&self.store.with_files(&files), pipeline, now), files.len()) {
            (Ok(()), _) => files.into_iter().flat_map(|file| self.store.take(file, wall)).collect(),
            (Err(message), 1) => {
                files.into_iter().flat_map(|file| self.store.leave(&file, &message, wall)).collect()
            }
            (Err(_), several) => {
                let rest = files.split_off(several / 2);
                let mut changes = self.take_files(files, pipeline, now);
                changes.extend(self.take_files(rest, pipeline, now));
                changes
            }
        }
    }

    fn ask_for_hosts(&mut self, now: BootTime) {
        let names =
            self.store.in_force().iter().flat_map(|it| it.policy.hosts()).map(str::to_owned).collect();
        self.hosts.ask(names, now, &self.to);
    }

    /// Notes changes of the policies in force; who asked for them, if it was not the clock or the folder.
    pub fn changed(&mut self, changes: Vec<Change>, by: Option<Peer>, now: BootTime) -> Vec<Record> {
        self.dirty.all |= !changes.is_empty();
        changes.into_iter().map(|change| told::changed(change, by, now)).collect()
    }

    /// Puts into force what has changed.
    pub fn reconcile(&mut self, pipeline: &mut Pipeline, now: BootTime) -> Vec<Record> {
        let Dirty { all, some } = std::mem::take(&mut self.dirty);
        if !all && some.is_empty() {
            return Vec::new();
        }
        if all {
            self.ask_for_hosts(now);
        }
        let policies: Vec<Policy> = self.store.in_force().iter().map(|it| it.policy.clone()).collect();
        if policies.is_empty() && self.orders.rows().is_empty() && self.current.is_empty() && !all {
            return Vec::new();
        }
        let live = |workload: &&Workload| workload.until.is_none();
        let wanted: Vec<Workload> = match all {
            true => pipeline.state.workloads.iter().filter(live).cloned().collect(),
            false => {
                some.iter().filter_map(|id| pipeline.state.workloads.get(*id)).filter(live).cloned().collect()
            }
        };
        let round = self.round(&policies, pipeline, now);
        let mut records = Vec::new();
        if all {
            self.set_baseline(pipeline, &round);
        }
        for workload in &wanted {
            self.settle(workload, &round, pipeline, &mut records);
        }
        self.look_at_packets(pipeline);
        self.guard(pipeline);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            records.extend(held::look(&held, pipeline, now));
        }
        records
    }

    fn round<'a>(&self, policies: &'a [Policy], pipeline: &Pipeline, now: BootTime) -> Round<'a> {
        let objects = pipeline.secrets.objects().into_iter();
        Round { policies, objects: objects.map(|(id, refs, path)| Object { id, refs, path }).collect(), now }
    }

    /// A socket may outlive its workload, which keeps its rows for as long as it is remembered.
    fn forget_the_gone(&mut self, pipeline: &mut Pipeline) {
        let gone: Vec<WorkloadId> =
            self.current.keys().filter(|id| pipeline.state.workloads.get(**id).is_none()).copied().collect();
        for id in gone {
            if let Some(Current { compiled: Some(compiled), .. }) = self.current.remove(&id) {
                pipeline.tables.withdraw(&rows(&compiled));
            }
        }
    }

    fn look_at_packets(&mut self, pipeline: &mut Pipeline) {
        let limits = |it: &Current| it.compiled.as_ref().is_some_and(limits);
        if let Err(error) = pipeline.tables.set_packets(self.current.values().any(limits)) {
            tracing::error!(%error, "packets of older connections are not looked at");
        }
    }

    /// Has opens held back where the kernel's own hooks cannot refuse them.
    fn guard(&mut self, pipeline: &mut Pipeline) {
        if self.tier == Tier::Lsm {
            return;
        }
        let rows = self.current.values().filter_map(|it| it.compiled.as_ref()).chain(&self.pending);
        let denied: HashSet<u64> = rows
            .flat_map(|compiled| &compiled.secrets)
            .filter(|(_, rule)| rule.enforce != 0 || rule.cut_until != 0)
            .map(|(key, _)| key.object)
            .collect();
        let Pipeline { secrets, query, .. } = pipeline;
        let places = secrets.guarded_places(query, |object| denied.contains(&object));
        if self.guarding.hold(&places, pipeline) {
            self.tier = if self.guarding.is_up() { Tier::Guarded } else { Tier::Tracepoint };
            // What really enforces each rule is told anew.
            self.dirty.all = true;
        }
    }

    /// Whether the kernel holds what it shall, and the guard asks our rules.
    pub fn is_in_force(&self) -> bool {
        self.failures.is_empty() && self.guarding.trouble().is_none()
    }

    /// What workloads have read before is not known: each counts as having read whatever a rule of its speaks of.
    pub fn take_all_for_read(&mut self, pipeline: &mut Pipeline) {
        for (workload, current) in &mut self.current {
            if let Some(compiled) = &mut current.compiled
                && let Err(error) = bind_by_all(compiled, *workload, pipeline)
            {
                tracing::error!(%error, "a workload is not bound by what it may have read before");
            }
        }
    }

    /// Removes what an agent before has left in the kernel and nobody has any more.
    pub fn tidy(&mut self, pipeline: &mut Pipeline) {
        let assigned = pipeline.tables.assignments().into_iter().map(|(_, generation)| generation);
        let own = self.pending.iter().chain(self.retired.iter().map(|(_, it)| it)).map(|it| it.generation);
        let kept: HashSet<u32> = assigned.chain(own).collect();
        pipeline.tables.keep_generations(&kept);
        pipeline.tables.forget_reads();
    }
}
