//! Records in, detections out. Deterministic: the same records give the same detections, live or replayed.

use std::time::Duration;

use cofferdam_model::{Detection, Record};

use crate::baseline::Baseline;
use crate::facts::{Before, Happened, Seen};
use crate::recent::{News, Recent};
use crate::rule::{By, Rule};
use crate::running::{Group, Running};
use crate::world::World;

/// Events whose repeats are known as such.
const EVENTS_MAX: usize = 65_536;

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
        Self { programs: 32_768, groups: 4_096, learning: Duration::from_hours(1) }
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
    seen: Recent,
    limits: Limits,
}

impl Engine {
    /// Nothing has been seen yet.
    pub fn new(rules: Vec<Rule>, limits: Limits) -> Self {
        Self {
            rules: rules.into_iter().map(Running::new).collect(),
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
                    self.baseline.appeared(workload);
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
        let mut seen =
            Seen { happened, workload: None, program: None, before: Before::default(), news: News::First };
        // A record that is written again has a new total.
        let Some(news) = self.seen.see(seen.id(), seen.total()) else { return };
        seen.news = news;
        seen.workload = self.world.workload_of(seen.workload_id());
        seen.program = seen.exec().and_then(|exec| self.world.program(exec));
        seen.before = match (news, happened) {
            (News::First, Happened::Access(it)) => self.baseline.read(it, seen.workload, seen.program),
            (News::First, Happened::Connection(it)) => self.baseline.connected(it, seen.workload),
            (News::First, Happened::Attempt(_)) | (News::More(_), _) => {
                self.baseline.of(seen.workload, seen.at())
            }
        };
        let kind = seen.kind();
        for running in &mut self.rules {
            if running.concerns(kind, news) {
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

    /// What follows is of the next boot, which began so much later: nothing stays but habits and counters.
    pub fn next_boot(&mut self, later_by: Duration) {
        self.world = World::new(self.limits.programs);
        self.seen = Recent::new(EVENTS_MAX);
        self.baseline.next_boot(later_by);
        self.rules.iter_mut().for_each(Running::forget);
    }

    /// What each rule has done, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&str, Counters)> {
        self.rules.iter().map(|it| (it.rule.name.as_str(), it.counters))
    }

    /// Programs that were forgotten before their time, because there was no room for more.
    pub fn programs_forgotten(&self) -> u64 {
        self.world.forgotten()
    }

    /// Workloads whose habits were forgotten, because there was no room for more.
    pub fn workloads_forgotten(&self) -> u64 {
        self.baseline.forgotten()
    }

    /// How many things it remembers: bounded, whatever comes.
    pub fn size(&self) -> usize {
        let rules: usize = self.rules.iter().map(Running::size).sum();
        rules + self.world.size() + self.baseline.size() + self.seen.size()
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
