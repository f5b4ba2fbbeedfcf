//! Records in, detections out. Deterministic: the same records give the same detections, live or replayed.

use std::collections::VecDeque;
use std::time::Duration;

use cofferdam_model::{BootTime, Detection, EventId, ProcessKey, Record, SecretRef, Told, WorkloadId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::baseline::Baseline;
use crate::condition::{Truth, Value, Values};
use crate::facts::{Asked, Before, Happened, Kind, Seen, facts};
use crate::rule::{By, Counted, More, Rule, Step};
use crate::world::World;

/// Events whose repeats are known as such.
const EVENTS_MAX: usize = 65_536;
/// Events of a detection that are named at most.
const EVIDENCE_MAX: usize = 32;

/// Bounds of an engine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Programs that are remembered at once.
    pub programs: usize,
    /// Groups (processes, trees, workloads) that a rule waits for at once.
    pub groups: usize,
    /// How long after it was first seen a workload's habits are known.
    pub learning: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { programs: 65_536, groups: 4_096, learning: Duration::from_hours(1) }
    }
}

/// What a rule has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Detections.
    pub found: u64,
    /// Found, and not told, because the same was told shortly before.
    pub withheld: u64,
    /// A condition asked what was not known.
    pub undecided: u64,
    /// A condition took too long.
    pub cut: u64,
    /// It waited for more than it may, and forgot the oldest.
    pub forgotten: u64,
}

/// The rules at work.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Running>,
    world: World,
    baseline: Baseline,
    seen: Recent<EventId>,
    limits: Limits,
}

#[derive(Debug)]
struct Running {
    rule: Rule,
    waiting: FxHashMap<Group, Waiting>,
    /// Groups in the order in which they came to be waited for.
    order: VecDeque<Group>,
    told: FxHashMap<Group, Last>,
    told_order: VecDeque<Group>,
    counters: Counters,
}

/// Whose events belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Group {
    Process(ProcessKey),
    Tree(EventId),
    Workload(WorkloadId),
}

/// What a rule has seen of a group so far.
#[derive(Debug, Default)]
struct Waiting {
    /// Steps done.
    done: usize,
    /// When the last of them was; of a count, each.
    times: VecDeque<(BootTime, EventId, Option<SecretRef>)>,
    evidence: Vec<EventId>,
    told: Vec<Told>,
    secret: Option<SecretRef>,
}

/// When something was told last, and how often it was not since.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    at: Option<BootTime>,
    withheld: u64,
}

impl Engine {
    /// Nothing has been seen yet.
    pub fn new(rules: Vec<Rule>, limits: Limits) -> Self {
        let running = |rule| Running {
            rule,
            waiting: FxHashMap::default(),
            order: VecDeque::new(),
            told: FxHashMap::default(),
            told_order: VecDeque::new(),
            counters: Counters::default(),
        };
        Self {
            rules: rules.into_iter().map(running).collect(),
            world: World::new(limits.programs),
            baseline: Baseline::new(limits.learning),
            seen: Recent::new(EVENTS_MAX),
            limits,
        }
    }

    /// Looks at records in the order in which they came; what the rules find in them.
    pub fn observe(&mut self, records: &[Record]) -> Vec<Detection> {
        let mut found = Vec::new();
        for record in records {
            match record {
                Record::Workload(workload) => {
                    self.world.workload(workload);
                    self.baseline.renamed(workload.id);
                }
                Record::Process(program) => self.world.began(program),
                Record::Exit { process, exec, at } => {
                    self.world.exited(*process, *exec, *at);
                    self.world.prune(*at);
                }
                Record::Access(access) => self.event(Happened::Access(access), &mut found),
                Record::Connection(connection) => self.event(Happened::Connection(connection), &mut found),
                Record::Attempt(attempt) => self.event(Happened::Attempt(attempt), &mut found),
                Record::Secret { .. } | Record::Audit(_) | Record::Detection(_) | Record::Loss(_) => {}
            }
        }
        found
    }

    fn event(&mut self, happened: Happened<'_>, found: &mut Vec<Detection>) {
        let mut seen = Seen { happened, workload: None, program: None, before: Before::default() };
        // A record that is written again has a new total; what it tells was told.
        if !self.seen.insert(seen.id()) {
            return;
        }
        seen.workload = self.world.workload_of(seen.workload_id());
        seen.program = seen.exec().and_then(|exec| self.world.program(exec));
        seen.before = match happened {
            Happened::Access(it) => self.baseline.read(it, seen.workload, seen.program),
            Happened::Connection(it) => self.baseline.connected(it, seen.workload),
            Happened::Attempt(it) => self.baseline.of(seen.workload, it.at),
        };
        let kind = seen.kind();
        for running in &mut self.rules {
            if running.rule.concerns(kind) {
                let group = group(running.rule.by, &seen, &self.world);
                found.extend(running.saw(&seen, group, self.limits.groups));
            }
        }
    }

    /// Waits for what workloads have done before it began: fill this and give it to [`Self::recall`]. Until then it says of
    /// no workload what is usual.
    pub fn await_past(&mut self) -> Baseline {
        self.baseline.await_past()
    }

    /// Takes what workloads have done before it began.
    pub fn recall(&mut self, past: Baseline) {
        self.baseline.recall(past);
    }

    /// What each rule has done, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&str, Counters)> {
        self.rules.iter().map(|it| (it.rule.name.as_str(), it.counters))
    }

    /// Programs that were forgotten before their time, because there was no room for more.
    pub fn programs_forgotten(&self) -> u64 {
        self.world.forgotten()
    }

    /// Times that the habits of a workload were not kept, because there was no room for more workloads.
    pub fn workloads_left_out(&self) -> u64 {
        self.baseline.left_out()
    }
}

/// Who is not known by the process is known by the workload.
fn group(by: By, seen: &Seen<'_>, world: &World) -> Group {
    let workload = Group::Workload(seen.workload_id());
    let Some(process) = seen.process() else { return workload };
    match by {
        By::Workload => workload,
        By::Process => Group::Process(process),
        By::Tree => world.tree(process).map_or(Group::Process(process), Group::Tree),
    }
}

impl Rule {
    fn concerns(&self, kind: Kind) -> bool {
        let then = match &self.more {
            More::Then(steps) => steps.as_slice(),
            More::Nothing | More::Count { .. } => &[],
        };
        self.first.on == kind || then.iter().any(|(step, _)| step.on == kind)
    }
}

impl Running {
    fn saw(&mut self, seen: &Seen<'_>, group: Group, groups_max: usize) -> Option<Detection> {
        let complete = match &self.rule.more {
            More::Nothing => {
                self.holds_first(seen).then(|| Waiting::default().with(seen, self.told_by(seen)))
            }
            More::Then(_) => self.follows(seen, group, groups_max),
            More::Count { of, at_least, within } => {
                self.counted(seen, group, (*of, *at_least, *within), groups_max)
            }
        };
        self.found(seen, group, complete?, groups_max)
    }

    fn holds_first(&mut self, seen: &Seen<'_>) -> bool {
        holds(&self.rule.first, seen, &mut self.counters)
    }

    fn told_by(&self, seen: &Seen<'_>) -> Vec<Told> {
        told(&self.rule.first, seen)
    }

    /// The next step of a group that is waited for, or else its first.
    fn follows(&mut self, seen: &Seen<'_>, group: Group, groups_max: usize) -> Option<Waiting> {
        let More::Then(steps) = &self.rule.more else { return None };
        if let Some(waiting) = self.waiting.get_mut(&group) {
            let (step, within) = &steps[waiting.done - 1];
            let since = waiting.times.back().map_or(seen.at(), |(at, ..)| *at);
            if seen.at().since(since) > *within {
                self.waiting.remove(&group);
            } else if seen.at() >= since && holds(step, seen, &mut self.counters) {
                let now = std::mem::take(waiting).with(seen, told(step, seen));
                if now.done > steps.len() {
                    self.waiting.remove(&group);
                    return Some(now);
                }
                *waiting = now;
                return None;
            }
        }
        if self.holds_first(seen) {
            let first = Waiting::default().with(seen, self.told_by(seen));
            self.wait(group, first, groups_max);
        }
        None
    }

    fn counted(
        &mut self,
        seen: &Seen<'_>,
        group: Group,
        (of, at_least, within): (Counted, u32, Duration),
        groups_max: usize,
    ) -> Option<Waiting> {
        if !self.holds_first(seen) {
            return None;
        }
        let told = self.told_by(seen);
        let mut waiting = self.waiting.remove(&group).unwrap_or_default();
        while waiting.times.front().is_some_and(|(at, ..)| seen.at().since(*at) > within) {
            waiting.times.pop_front();
        }
        let again =
            of == Counted::Secrets && waiting.times.iter().any(|(.., secret)| *secret == secret_of(seen));
        if !again {
            waiting.times.push_back((seen.at(), seen.id(), secret_of(seen)));
        }
        waiting.told = told;
        waiting.secret = secret_of(seen);
        if waiting.times.len() >= at_least as usize {
            waiting.evidence = waiting.times.iter().map(|(_, id, _)| *id).collect();
            return Some(waiting);
        }
        self.wait(group, waiting, groups_max);
        None
    }

    fn wait(&mut self, group: Group, waiting: Waiting, groups_max: usize) {
        if self.waiting.insert(group, waiting).is_none() {
            self.order.push_back(group);
        }
        while self.waiting.len() > groups_max {
            let Some(oldest) = self.order.pop_front() else { break };
            self.counters.forgotten += u64::from(self.waiting.remove(&oldest).is_some());
        }
        if self.order.len() > 2 * groups_max {
            self.order.retain(|group| self.waiting.contains_key(group));
        }
    }

    fn found(
        &mut self,
        seen: &Seen<'_>,
        group: Group,
        complete: Waiting,
        groups_max: usize,
    ) -> Option<Detection> {
        let last = self.told.get(&group).copied().unwrap_or_default();
        if last.at.is_some_and(|at| seen.at().since(at) < self.rule.every) {
            self.counters.withheld += 1;
            self.told.insert(group, Last { withheld: last.withheld + 1, ..last });
            return None;
        }
        self.counters.found += 1;
        if self.told.insert(group, Last { at: Some(seen.at()), withheld: 0 }).is_none() {
            self.told_order.push_back(group);
        }
        while self.told.len() > groups_max {
            let Some(oldest) = self.told_order.pop_front() else { break };
            self.told.remove(&oldest);
        }
        let mut evidence = complete.evidence;
        if evidence.len() > EVIDENCE_MAX {
            evidence.drain(..evidence.len() - EVIDENCE_MAX);
        }
        Some(Detection {
            rule: self.rule.name.clone(),
            event: seen.id(),
            at: seen.at(),
            title: self.rule.title.clone(),
            severity: self.rule.severity,
            techniques: self.rule.techniques.clone(),
            workload: seen.workload_id(),
            process: seen.process(),
            exec: seen.exec(),
            uid: seen.uid(),
            secret: complete.secret,
            evidence,
            told: complete.told,
            withheld: last.withheld,
            response: self.rule.response,
        })
    }
}

impl Waiting {
    fn with(mut self, seen: &Seen<'_>, told: Vec<Told>) -> Self {
        self.done += 1;
        self.times.clear();
        self.times.push_back((seen.at(), seen.id(), None));
        self.evidence.push(seen.id());
        self.told.extend(told);
        self.secret = self.secret.or_else(|| secret_of(seen));
        self
    }
}

fn secret_of(seen: &Seen<'_>) -> Option<SecretRef> {
    match seen.happened {
        Happened::Access(access) => Some(access.secret.clone()),
        Happened::Connection(_) | Happened::Attempt(_) => None,
    }
}

fn holds(step: &Step, seen: &Seen<'_>, counters: &mut Counters) -> bool {
    if step.on != seen.kind() {
        return false;
    }
    match step.when.holds(&Asked(seen)) {
        Ok(Truth::Yes) => true,
        Ok(Truth::No) => false,
        Ok(Truth::Unknown) => {
            counters.undecided += 1;
            false
        }
        Err(_) => {
            counters.cut += 1;
            false
        }
    }
}

/// What a condition asked, and what it was told.
fn told(step: &Step, seen: &Seen<'_>) -> Vec<Told> {
    let asked = Asked(seen);
    let fields = facts(step.on).enumerate().filter(|(number, _)| step.when.asks(*number));
    fields
        .filter_map(|(number, fact)| {
            let value = asked.value(number)?;
            Some(Told { event: seen.id(), field: fact.field.name.to_owned(), value: shown(&value) })
        })
        .collect()
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Bool(is) => is.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Texts(texts) => texts.join(", "),
    }
}

/// The last so many of something.
#[derive(Debug)]
struct Recent<T> {
    known: FxHashSet<T>,
    order: VecDeque<T>,
    max: usize,
}

impl<T: Copy + Eq + std::hash::Hash> Recent<T> {
    fn new(max: usize) -> Self {
        Self { known: FxHashSet::default(), order: VecDeque::new(), max }
    }

    /// Whether it is new.
    fn insert(&mut self, it: T) -> bool {
        if !self.known.insert(it) {
            return false;
        }
        self.order.push_back(it);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
