//! Decides for each workload what the kernel shall hold, and puts it there: compile, install, assign, and only then take
//! away what was there before.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::mpsc::SyncSender;

use cofferdam_model::{Audit, AuditKind, BootTime, Peer, Record, Workload, WorkloadId};
use cofferdam_policy::{
    Compiled, Input, Object, Order, OrderSays, Policy, RuleKind, Selection, Tier, compile, is_guarded,
};
use cofferdam_sensor::abi::policy::{Bindings, row as flags};
use cofferdam_sensor::{Generation, TableError};

use super::guarding::Guarding;
use super::held;
use super::hosts::{self, Hosts};
use super::inside::{self, Inside};
use super::orders::Orders;
use super::store::{Change, Store};
use super::wall::Wall;
use crate::pipeline::Pipeline;
use crate::threads::Message;

/// How long rows of a replaced generation stay: a program that has read the old number may still ask for them.
const GRACE_NS: u64 = 2_000_000_000;
/// How often a workload is looked at again because it read another secret in the meantime.
const ROUNDS: usize = 8;

/// What a container for which nothing is decided yet may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Everything; it is told.
    Observe,
    /// It may not read secrets.
    Deny,
}

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
    /// What could not be compiled or installed, by workload.
    pub failures: BTreeMap<String, String>,
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
    /// Exceptions whose end was told.
    ended: BTreeSet<String>,
    to: SyncSender<Message>,
}

/// What does not change while workloads are looked at.
struct Round<'a> {
    policies: &'a [Policy],
    objects: Vec<Object>,
    reads: HashMap<WorkloadId, BTreeSet<u64>>,
    now: BootTime,
}

/// What is to be compiled for a workload.
struct Wanted<'a> {
    selected: Vec<&'a Policy>,
    others: Vec<&'a Policy>,
    orders: Vec<Order>,
    pending: Option<String>,
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
            ended: BTreeSet::new(),
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
        let mut changes = self.store.look(wall);
        changes.extend(self.store.roll_back(wall));
        let mut records: Vec<Record> = changes.into_iter().map(|change| self.told(change, now)).collect();
        for id in self.orders.ended(wall) {
            match self.orders.remove(&id) {
                Ok(Some(row)) => {
                    self.dirty.all = true;
                    let detail = format!("its time is over; {}", row.reason);
                    records.push(audit(AuditKind::Released, &id, None, None, detail, now));
                }
                Ok(None) => {}
                Err(error) => tracing::error!("an order that has ended stays on disk: {error:#}"),
            }
        }
        records.extend(self.ended_exceptions(now));
        let names =
            self.store.in_force().iter().flat_map(|it| it.policy.hosts()).map(str::to_owned).collect();
        self.hosts.ask(names, now, &self.to);
        self.guard(pipeline);
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

    fn ask_for_hosts(&mut self, now: BootTime) {
        let names =
            self.store.in_force().iter().flat_map(|it| it.policy.hosts()).map(str::to_owned).collect();
        self.hosts.ask(names, now, &self.to);
    }

    fn told(&mut self, change: Change, now: BootTime) -> Record {
        self.dirty.all = true;
        let (what, subject, detail) = match change {
            Change::Applied(name, source) => (AuditKind::PolicyApplied, name, format!("from {source}")),
            Change::Removed(name, source) => (AuditKind::PolicyRemoved, name, format!("gone from {source}")),
            Change::Refused(file, message) => {
                tracing::error!("{message}");
                (AuditKind::PolicyRefused, file, message)
            }
            Change::RolledBack(name) => {
                (AuditKind::PolicyRolledBack, name, "nobody confirmed it in time".to_owned())
            }
            Change::Accepted(key) => {
                (AuditKind::ExceptionAccepted, key, "its days count from here".to_owned())
            }
        };
        audit(what, &subject, None, None, detail, now)
    }

    /// Notes changes that were asked for through the agent.
    pub fn changed(&mut self, changes: Vec<Change>, by: Peer, now: BootTime) -> Vec<Record> {
        let told = changes.into_iter().map(|change| self.told(change, now));
        let by_someone = told.map(|record| match record {
            Record::Audit(audit) => Record::Audit(Audit { by: Some(by), ..audit }),
            record => record,
        });
        by_someone.collect()
    }

    fn ended_exceptions(&mut self, now: BootTime) -> Vec<Record> {
        let wall = self.wall.now(now);
        let mut records = Vec::new();
        for it in self.store.in_force() {
            for (rule, exception) in it.policy.exceptions() {
                let key = cofferdam_policy::exception_key(it.policy.name(), &rule.id, &exception.allow);
                let is_new = exception.expires <= wall && self.ended.insert(key.clone());
                if is_new {
                    self.dirty.all = true;
                    let detail = format!("{}, {}", exception.owner, exception.reason);
                    records.push(audit(AuditKind::ExceptionExpired, &key, None, None, detail, now));
                }
            }
        }
        records
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
        if all {
            self.forget_the_gone(pipeline);
        }
        let mut round = self.round(&policies, pipeline, now);
        let mut records = Vec::new();
        if all {
            self.set_baseline(pipeline, &round);
        }
        let mut rest: Vec<&Workload> = wanted.iter().collect();
        for _ in 0..ROUNDS {
            let flipped: Vec<&Workload> = rest
                .into_iter()
                .filter(|workload| self.settle(workload, &round, pipeline, &mut records))
                .collect();
            if flipped.is_empty() {
                break;
            }
            // What was read while the old generation still decided must bind the new one too.
            let reads = pipeline.tables.reads();
            rest = flipped.into_iter().filter(|it| reads.get(&it.id) != round.reads.get(&it.id)).collect();
            round.reads = reads;
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
        Round {
            policies,
            objects: objects.map(|(id, refs, path)| Object { id, refs, path }).collect(),
            reads: pipeline.tables.reads(),
            now,
        }
    }

    fn forget_the_gone(&mut self, pipeline: &mut Pipeline) {
        let gone: Vec<WorkloadId> =
            self.current.keys().filter(|id| pipeline.state.workloads.get(**id).is_none()).copied().collect();
        for id in gone {
            if let Some(Current { compiled: Some(compiled), .. }) = self.current.remove(&id) {
                pipeline.tables.withdraw(&rows(&compiled));
            }
        }
    }

    /// Looks at one workload; `true` if it has another generation now.
    fn settle(
        &mut self,
        workload: &Workload,
        round: &Round<'_>,
        pipeline: &mut Pipeline,
        records: &mut Vec<Record>,
    ) -> bool {
        let wanted = self.wanted(workload, round);
        let concerned = !wanted.selected.is_empty()
            || !wanted.orders.is_empty()
            || wanted.others.iter().any(|policy| has_exclusive(policy));
        if !concerned {
            return self.without(workload, wanted.pending, pipeline);
        }
        let found = inside::look(workload, &wanted.selected, pipeline);
        let Some(found) = found.or_else(|| (!wanted.orders.is_empty()).then(Inside::default)) else {
            // Without its root nobody is a reader: the baseline decides until it is there.
            let current = self.current.entry(workload.id).or_default();
            current.pending = Some("its root file system is not there yet".to_owned());
            return false;
        };
        self.put(workload, &wanted, round, &found, pipeline, records)
    }

    fn wanted<'a>(&self, workload: &Workload, round: &Round<'a>) -> Wanted<'a> {
        let mut wanted =
            Wanted { selected: Vec::new(), others: Vec::new(), orders: Vec::new(), pending: None };
        if is_guarded(workload) {
            return wanted;
        }
        for policy in round.policies {
            match policy.selects(workload) {
                Selection::Yes => wanted.selected.push(policy),
                Selection::No => wanted.others.push(policy),
                Selection::Pending => {
                    wanted.pending = Some(format!("{} asks for names that have not arrived", policy.name()));
                }
            }
        }
        wanted.orders = self.orders.concerning(workload, &round.objects);
        wanted
    }

    /// Nothing concerns it. While names are awaited the kernel's baseline stays.
    fn without(&mut self, workload: &Workload, pending: Option<String>, pipeline: &mut Pipeline) -> bool {
        let is_pending = pending.is_some();
        let known = self.current.get(&workload.id);
        let had = known.and_then(|it| it.compiled.as_ref()).is_some();
        let assigned = pipeline.tables.assigned(workload.id);
        if is_pending && !had {
            self.current.entry(workload.id).or_default().pending = pending;
            return false;
        }
        if assigned.is_some_and(|(generation, _)| generation != 0)
            && let Err(error) = pipeline.tables.assign(workload.id, 0)
        {
            self.failed(workload, &error.to_string());
            return false;
        }
        if let Some(Current { compiled: Some(compiled), .. }) = self.current.remove(&workload.id) {
            self.retired.push_back((crate::host::boot_time(), compiled));
        }
        self.failures.remove(workload.name().as_str());
        false
    }

    /// Compiles, installs and assigns, if it is anything new.
    fn put(
        &mut self,
        workload: &Workload,
        wanted: &Wanted<'_>,
        round: &Round<'_>,
        found: &Inside,
        pipeline: &mut Pipeline,
        records: &mut Vec<Record>,
    ) -> bool {
        let none = BTreeSet::new();
        let input = |generation: u32| Input {
            generation,
            workload,
            policies: &wanted.selected,
            others: &wanted.others,
            objects: &round.objects,
            binaries: &found.binaries,
            names: &self.hosts.known,
            sockets: &found.sockets,
            resolvers: &self.resolvers,
            orders: &wanted.orders,
            clock: self.wall.clock(),
            now: round.now,
            read: round.reads.get(&workload.id).unwrap_or(&none),
            tier: self.tier,
        };
        let known = self.current.get(&workload.id).and_then(|it| it.compiled.as_ref());
        if let Some(known) = known
            && compile(&input(known.generation)).is_ok_and(|same| is_same(&same, known))
        {
            let current = self.current.entry(workload.id).or_default();
            current.rooted |= found.rooted;
            current.pending.clone_from(&wanted.pending);
            return false;
        }
        let compiled = match compile(&input(self.next)) {
            Ok(compiled) => compiled,
            Err(error) => {
                self.failed(workload, &error.to_string());
                return false;
            }
        };
        self.next += 1;
        // One that an agent before has assigned was there in time, or was told.
        let assigned =
            pipeline.tables.assigned(workload.id).is_some_and(|(number, decided)| decided && number != 0);
        let started = !assigned && pipeline.tables.is_started(workload.id);
        if let Err(error) = install(&compiled, workload.id, pipeline) {
            self.failed(workload, &error.to_string());
            return false;
        }
        self.failures.remove(workload.name().as_str());
        pipeline.names.add(compiled.generation, compiled.rules.clone());
        let current = self.current.entry(workload.id).or_default();
        let is_first = current.compiled.is_none();
        let says_more = says_more(&compiled, current.compiled.as_ref());
        if let Some(before) = current.compiled.replace(compiled) {
            self.retired.push_back((round.now, before));
        }
        current.rooted |= found.rooted;
        current.pending.clone_from(&wanted.pending);
        if says_more && (started || !is_first) {
            self.held.insert(workload.id);
        }
        if is_first && started && self.was_in_force_before(workload, &wanted.selected) {
            let detail = "its first program ran before the policy was assigned".to_owned();
            let name = workload.name().to_string();
            records.push(audit(AuditKind::LateBind, &name, Some(workload.id), None, detail, round.now));
            if let Some(current) = self.current.get_mut(&workload.id) {
                current.late = true;
            }
        }
        true
    }

    /// Whether a policy was there before the workload was.
    fn was_in_force_before(&self, workload: &Workload, selected: &[&Policy]) -> bool {
        let born = self.wall.clock().wall(workload.since);
        self.store.in_force().iter().any(|it| {
            it.kept.applied < born && selected.iter().any(|policy| policy.name() == it.policy.name())
        })
    }

    fn failed(&mut self, workload: &Workload, error: &str) {
        tracing::error!(error, workload = %workload.name(), "a policy could not be put into force: what was enforced stays enforced");
        self.failures.insert(workload.name().to_string(), error.to_owned());
    }

    /// What the kernel gives a newborn container until something is decided for it.
    fn set_baseline(&mut self, pipeline: &mut Pipeline, round: &Round<'_>) {
        let wanted = self.baseline == Baseline::Deny && !round.policies.is_empty();
        if !wanted {
            if self.pending.is_some()
                && let Err(error) = pipeline.tables.set_pending(0)
            {
                tracing::error!(%error, "the baseline of new containers stays");
            }
            self.pending = None;
            return;
        }
        let Some(host) = pipeline.state.workloads.iter().find(|it| !it.kind.is_container()).cloned() else {
            return;
        };
        let denied = round.objects.iter().map(|object| object.id).collect();
        let orders = [Order {
            id: "baseline".to_owned(),
            says: OrderSays::DenySecrets(denied),
            until: None,
            owner: "cofferdam".to_owned(),
            reason: "nothing is decided for this container yet".to_owned(),
        }];
        let (nothing, no_reads) = (Inside::default(), BTreeSet::new());
        let input = |generation| Input {
            generation,
            workload: &host,
            policies: &[],
            others: &[],
            objects: &round.objects,
            binaries: &nothing.binaries,
            names: &self.hosts.known,
            sockets: &nothing.sockets,
            resolvers: &self.resolvers,
            orders: &orders,
            clock: self.wall.clock(),
            now: round.now,
            read: &no_reads,
            tier: self.tier,
        };
        if let Some(known) = &self.pending
            && compile(&input(known.generation)).is_ok_and(|same| is_same(&same, known))
        {
            return;
        }
        let Ok(compiled) = compile(&input(self.next)) else { return };
        self.next += 1;
        let put = pipeline
            .tables
            .install(&rows(&compiled))
            .and_then(|()| pipeline.tables.set_pending(compiled.generation));
        match put {
            Ok(()) => {
                pipeline.names.add(compiled.generation, compiled.rules.clone());
                // Containers that are pending may still have the former.
                self.pending = Some(compiled);
            }
            Err(error) => tracing::error!(%error, "new containers have no baseline"),
        }
    }

    fn look_at_packets(&mut self, pipeline: &mut Pipeline) {
        let limits = |it: &Current| {
            it.compiled
                .as_ref()
                .is_some_and(|row| row.policy.flags & flags::EGRESS != 0 || row.policy.cut_until != 0)
        };
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
        let places = pipeline.secrets.guarded_places(|object| denied.contains(&object));
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
        for (workload, current) in &self.current {
            let secrets = current.compiled.iter().flat_map(|compiled| &compiled.secrets);
            for (key, _) in secrets {
                if let Err(error) = pipeline.tables.set_read(*workload, key.object) {
                    tracing::error!(%error, "a workload is not bound by what it may have read before");
                }
            }
        }
        self.touch_all();
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

fn install(compiled: &Compiled, workload: WorkloadId, pipeline: &mut Pipeline) -> Result<(), TableError> {
    let limits = compiled.policy.flags & flags::EGRESS != 0 || compiled.policy.cut_until != 0;
    if limits {
        // Before it is needed: connections that others open from now on are remembered.
        pipeline.tables.set_packets(true)?;
    }
    pipeline.tables.install(&rows(compiled))?;
    pipeline.tables.assign(workload, compiled.generation)
}

fn rows(compiled: &Compiled) -> Generation<'_> {
    Generation {
        number: compiled.generation,
        policy: &compiled.policy,
        secrets: &compiled.secrets,
        grants: &compiled.grants,
        prefixes: &compiled.prefixes,
        destinations: &compiled.destinations,
    }
}

/// Whether both say the same; what was read meanwhile stands in the kernel's row.
fn is_same(new: &Compiled, known: &Compiled) -> bool {
    let mut new = new.clone();
    new.policy.bound = Bindings::default();
    let mut known = known.clone();
    known.policy.bound = Bindings::default();
    new == known
}

/// Whether a rule speaks of secrets that did not before.
fn says_more(new: &Compiled, before: Option<&Compiled>) -> bool {
    let of_secrets = new.effective.iter().filter(|it| it.kind == RuleKind::Secret);
    let was_there = |it: &&cofferdam_policy::Effective| {
        before.is_some_and(|before| {
            before.effective.iter().any(|known| known.id == it.id && known.kind == it.kind)
        })
    };
    of_secrets.filter(|it| !was_there(it)).count() > 0
}

fn has_exclusive(policy: &Policy) -> bool {
    policy
        .rules()
        .iter()
        .any(|rule| matches!(&rule.says, cofferdam_policy::Says::Secret(secret) if secret.exclusive))
}

/// A record of something that was done to the enforcement.
pub fn audit(
    what: AuditKind,
    subject: &str,
    workload: Option<WorkloadId>,
    by: Option<Peer>,
    detail: String,
    at: BootTime,
) -> Record {
    Record::Audit(Audit { at, what, subject: subject.to_owned(), workload, by, detail })
}
