//! One rule at work: what it waits for, what it has told.

use std::collections::VecDeque;
use std::time::Duration;

use cofferdam_model::{
    BootTime, Detection, EventId, ProcessKey, Response, SecretRef, Told, Verdict, WorkloadId,
};
use rustc_hash::FxHashMap;

use crate::condition::{Truth, Value, Values as _};
use crate::engine::Counters;
use crate::facts::{Asked, Happened, Kind, Seen, facts};
use crate::recent::News;
use crate::rule::{Counted, More, Rule, Step};

/// Events of a detection that are named at most.
const EVIDENCE_MAX: usize = 32;
/// Detections of one workload that a rule tells at most in the time in which it tells the same once: whoever makes
/// process after process fills no journal with them.
const TOLD_MAX: u32 = 16;

/// A rule and its state.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) rule: Rule,
    pub(crate) counters: Counters,
    waiting: FxHashMap<Group, Waiting>,
    /// Groups in the order in which they were last waited for, with the number that they had then.
    order: VecDeque<(Group, u64)>,
    number: u64,
    told: FxHashMap<Group, Last>,
    told_order: VecDeque<Group>,
    of_workload: FxHashMap<WorkloadId, Flood>,
}

/// Whose events belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Group {
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
    /// Whether anybody got it.
    given: bool,
    /// Its number in the order of waiting.
    number: u64,
}

/// When something was told last, and how often it was not since.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    at: Option<BootTime>,
    withheld: u64,
}

/// What was told of a workload lately.
#[derive(Debug, Clone, Copy)]
struct Flood {
    since: BootTime,
    told: u32,
    withheld: u64,
}

impl Running {
    pub(crate) fn new(rule: Rule) -> Self {
        Self {
            rule,
            counters: Counters::default(),
            waiting: FxHashMap::default(),
            order: VecDeque::new(),
            number: 0,
            told: FxHashMap::default(),
            told_order: VecDeque::new(),
            of_workload: FxHashMap::default(),
        }
    }

    /// Forgets all but its counters.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
        self.order.clear();
        self.told.clear();
        self.told_order.clear();
        self.of_workload.clear();
    }

    /// Whether events of this kind matter to it; that one has happened again matters to who counts.
    pub(crate) fn concerns(&self, kind: Kind, news: News) -> bool {
        let counts = matches!(self.rule.more, More::Count { of: Counted::Events, .. });
        if news != News::First && !counts {
            return false;
        }
        let then = match &self.rule.more {
            More::Then(steps) => steps.as_slice(),
            More::Nothing | More::Count { .. } => &[],
        };
        self.rule.first.on == kind || then.iter().any(|(step, _)| step.on == kind)
    }

    /// How many things it remembers.
    pub(crate) fn size(&self) -> usize {
        let events: usize = self.waiting.values().map(|it| it.times.len()).sum();
        events + self.order.len() + self.told.len() + self.told_order.len() + self.of_workload.len()
    }

    /// Looks at an event of a group; at most so many groups are remembered at once.
    pub(crate) fn saw(&mut self, seen: &Seen<'_>, group: Group, groups_max: usize) -> Option<Detection> {
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
        let secret = if of == Counted::Secrets { secret_of(seen) } else { None };
        let known = of == Counted::Secrets && waiting.times.iter().any(|(.., it)| *it == secret);
        let times = match of {
            Counted::Secrets => u64::from(!known),
            Counted::Events => seen.times(within).min(at_least.into()),
        };
        waiting.times.extend((0..times).map(|_| (seen.at(), seen.id(), secret.clone())));
        waiting.told = told;
        waiting.secret = secret_of(seen);
        waiting.given |= was_given(seen);
        if waiting.times.len() >= at_least as usize {
            waiting.evidence = waiting.times.iter().map(|(_, id, _)| *id).collect();
            waiting.evidence.dedup();
            return Some(waiting);
        }
        self.wait(group, waiting, groups_max);
        None
    }

    fn wait(&mut self, group: Group, waiting: Waiting, groups_max: usize) {
        self.number += 1;
        let number = self.number;
        self.waiting.insert(group, Waiting { number, ..waiting });
        self.order.push_back((group, number));
        while self.waiting.len() > groups_max {
            let Some((oldest, number)) = self.order.pop_front() else { break };
            if self.waiting.get(&oldest).is_some_and(|it| it.number == number) {
                self.waiting.remove(&oldest);
                self.counters.forgotten += 1;
            }
        }
        if self.order.len() > 2 * groups_max {
            let waiting = &self.waiting;
            self.order.retain(|(group, number)| waiting.get(group).is_some_and(|it| it.number == *number));
        }
    }

    /// How often the same, or more of the workload, was found and not told before; `None`: nor is this.
    fn may_tell(&mut self, seen: &Seen<'_>, group: Group, groups_max: usize) -> Option<u64> {
        let (now, every) = (seen.at(), self.rule.every);
        let last = self.told.get(&group).copied().unwrap_or_default();
        if last.at.is_some_and(|at| now.since(at) < every) {
            self.told.insert(group, Last { withheld: last.withheld + 1, ..last });
            return None;
        }
        if self.of_workload.len() >= groups_max {
            self.of_workload.retain(|_, it| now.since(it.since) < every);
        }
        if self.of_workload.len() >= groups_max {
            self.of_workload.clear();
        }
        let flood = self.of_workload.entry(seen.workload_id());
        let flood = flood.or_insert(Flood { since: now, told: 0, withheld: 0 });
        if now.since(flood.since) >= every {
            *flood = Flood { since: now, told: 0, ..*flood };
        }
        if flood.told >= TOLD_MAX && !every.is_zero() {
            flood.withheld += 1;
            return None;
        }
        flood.told += 1;
        Some(last.withheld + std::mem::take(&mut flood.withheld))
    }

    fn found(
        &mut self,
        seen: &Seen<'_>,
        group: Group,
        complete: Waiting,
        groups_max: usize,
    ) -> Option<Detection> {
        let Some(withheld) = self.may_tell(seen, group, groups_max) else {
            self.counters.withheld += 1;
            return None;
        };
        self.counters.found += 1;
        if self.told.insert(group, Last { at: Some(seen.at()), withheld: 0 }).is_none() {
            self.told_order.push_back(group);
        }
        while self.told.len() > groups_max {
            let Some(oldest) = self.told_order.pop_front() else { break };
            self.told.remove(&oldest);
        }
        // What was denied was not stolen.
        let revoke = self.rule.response.revoke && (complete.given || complete.secret.is_none());
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
            withheld,
            response: Response { revoke, ..self.rule.response },
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
        self.given |= was_given(seen);
        self
    }
}

fn secret_of(seen: &Seen<'_>) -> Option<SecretRef> {
    match seen.happened {
        Happened::Access(access) => Some(access.secret.clone()),
        Happened::Connection(_) | Happened::Attempt(_) => None,
    }
}

fn was_given(seen: &Seen<'_>) -> bool {
    matches!(seen.happened, Happened::Access(access) if access.verdict != Verdict::Denied)
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
