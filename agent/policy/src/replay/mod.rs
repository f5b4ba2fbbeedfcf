//! Replay: what policies would have decided about what a journal has seen, by the very decision that the kernel makes.
//!
//! What a journal does not know is not guessed: a request is decided for every value that the unknown may have, and is
//! undecidable where these decisions differ.

mod binaries;
mod lack;
mod requests;
mod sources;
mod tally;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use cofferdam_abi::decide::{self, Actor, Decision};
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::policy::{NO_BINDING, row as flag};
use cofferdam_abi::process::flags;
use cofferdam_model::{
    AccessKind, AccessMode, Executor, Known, SeenAccess, SeenConnection, SeenExecution, Span, WallTime,
};

use crate::{CompileError, HostTables, Policy, Selection};
use requests::{Egress, Subject};
use sources::Sources;
use tally::{Done, Tally};
use world::World;

pub use lack::Lack;
pub use tally::{Act, Replayed};

/// What a replay is made from.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// What the numbers in rows stand for.
    pub known: &'a Known,
    /// Who read what: also before the range, where it began to bind.
    pub accesses: &'a [SeenAccess],
    /// The addresses of the hosts that policies name, as far as they are known.
    pub names: &'a BTreeMap<String, Vec<IpAddr>>,
    /// The resolvers that workloads are configured with, as far as they are known.
    pub resolvers: &'a [IpAddr],
    /// They have no other ones.
    pub has_all_resolvers: bool,
    /// The moment: exceptions that have expired by then are none.
    pub now: WallTime,
}

/// A replay: accesses first, for they tell from when on connections are bound.
#[derive(Debug)]
pub struct Replay<'a> {
    past: Past<'a>,
    policies: &'a [&'a Policy],
    sources: Sources,
    tables: HostTables,
    /// By workload; `None`: no policy concerns it.
    worlds: Vec<Option<World>>,
    /// A generation that keeps environments to itself, for targets that are not known.
    guarding: u32,
    tally: Tally,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Judged {
    Allowed,
    /// By these rules, really or only told so.
    Denied {
        rules: Vec<String>,
        really: bool,
    },
    Undecidable(Lack),
}

impl<'a> Replay<'a> {
    /// Compiles the policies for every workload that they concern, and decides on the accesses.
    ///
    /// # Errors
    /// If they cannot be compiled for one of the workloads.
    pub fn new(policies: &'a [&'a Policy], past: Past<'a>) -> Result<Self, CompileError> {
        let sources = Sources::of(past.known, past.accesses);
        let mut replay = Self {
            past,
            policies,
            sources,
            tables: HostTables::default(),
            worlds: Vec::new(),
            guarding: 0,
            tally: Tally::default(),
        };
        // No agent can be lost in the past, and no exception ends there: all is decided at one moment.
        replay.tables.set_time(world::moment(past.now));
        let mut programs = world::programs(past.known);
        for number in 0..past.known.workloads.len() as u32 {
            let own = programs.remove(&number).unwrap_or_default();
            let world = World::new(policies, past, &replay.sources, number, own)?;
            if let Some(world) = &world {
                replay.tables.add(&world.compiled);
                if world.compiled.policy.environment.deny != 0 {
                    replay.guarding = world.compiled.generation;
                }
            }
            replay.worlds.push(world);
        }
        past.accesses.iter().for_each(|seen| replay.access(seen));
        Ok(replay)
    }

    /// By workload, when bindings began: what connections must not be put together over.
    pub fn moments(&self) -> Vec<Vec<WallTime>> {
        self.worlds.iter().map(|world| world.as_ref().map(World::moments).unwrap_or_default()).collect()
    }

    /// Decides on executions.
    pub fn executions(&mut self, seen: &[SeenExecution]) {
        for seen in seen {
            let Some(program) = self.past.known.programs.get(seen.program as usize) else { continue };
            let Some(world) = self.concerned(program.workload) else {
                self.tally.pass(seen.span.count);
                continue;
            };
            let judged = match world {
                None => Judged::Undecidable(Lack::Workload),
                Some(world) => self.execution(world, seen),
            };
            let object = program.executable.path.clone().unwrap_or_else(|| "(unknown)".to_owned());
            let subject = Subject { workload: program.workload, program: Some(seen.program) };
            let done = Done { subject, act: Act::Execute, object, count: seen.span.count, span: seen.span };
            self.tally.add(self.past.known, done, judged);
        }
    }

    /// Decides on connections, which were put together by [`Self::moments`].
    pub fn connections(&mut self, seen: &[SeenConnection]) {
        for seen in seen {
            let Some(world) = self.concerned(seen.workload) else {
                self.tally.pass(seen.span.count);
                continue;
            };
            let object = tally::destination(seen);
            let subject = Subject { workload: seen.workload, program: seen.program };
            let Some(number) = world.map(|world| world.number as usize) else {
                let done =
                    Done { subject, act: Act::Connect, object, count: seen.span.count, span: seen.span };
                self.tally.add(self.past.known, done, Judged::Undecidable(Lack::Workload));
                continue;
            };
            let Some(mut world) = self.worlds.get_mut(number).and_then(Option::take) else { continue };
            for (count, judged) in self.connection(&mut world, seen) {
                let object = object.clone();
                let done = Done { subject, act: Act::Connect, object, count, span: seen.span };
                if count != 0 {
                    self.tally.add(self.past.known, done, judged);
                }
            }
            self.worlds[number] = Some(world);
        }
    }

    /// What came of it, by workload, binary and object.
    pub fn outcome(self) -> Vec<Replayed> {
        self.tally.rows()
    }

    /// How much was done by workloads that no policy concerns.
    pub fn unconcerned(&self) -> u64 {
        self.tally.unconcerned
    }

    /// Workloads by policy: how many it selects, and how many it may yet select.
    pub fn selected(&self) -> Vec<(String, usize, usize)> {
        let count = |policy: &Policy, wanted: Selection| {
            self.past.known.workloads.iter().filter(|it| policy.selects(it) == wanted).count()
        };
        let of = |policy: &&Policy| {
            (policy.name().to_owned(), count(policy, Selection::Yes), count(policy, Selection::Pending))
        };
        self.policies.iter().map(of).collect()
    }

    /// The world of a workload; `Some(None)`: it may be any workload's, `None`: no policy concerns it.
    fn concerned(&self, workload: Option<u32>) -> Option<Option<&World>> {
        let Some(number) = workload else { return Some(None) };
        self.worlds.get(number as usize).and_then(Option::as_ref).map(Some)
    }

    fn access(&mut self, seen: &SeenAccess) {
        let counted = if seen.earlier { 0 } else { seen.span.count };
        let Some(world) = self.concerned(seen.workload) else { return self.reach_in(seen, counted) };
        let (act, judged) = match (world, seen.how) {
            (world, AccessKind::Environ) => (Act::Environment, world.map(|it| self.process(it, seen))),
            (_, AccessKind::Ptrace) if seen.mode != AccessMode::Attach => return,
            (world, AccessKind::Ptrace) => (Act::Memory, world.map(|it| self.process(it, seen))),
            (world, _) => (Act::Read, world.map(|it| self.file(it, seen))),
        };
        let judged = judged.unwrap_or(Judged::Undecidable(Lack::Workload));
        if act == Act::Read {
            self.bind(seen, &judged);
        }
        if counted != 0 {
            let object = tally::object(self.past.known, seen);
            let subject = Subject { workload: seen.workload, program: seen.program };
            let done = Done { subject, act, object, count: counted, span: seen.span };
            self.tally.add(self.past.known, done, judged);
        }
    }

    /// A container that no policy concerns reaches into one that has one.
    fn reach_in(&mut self, seen: &SeenAccess, counted: u64) {
        let act = match (seen.how, seen.mode) {
            (AccessKind::Environ, _) => Act::Environment,
            (AccessKind::Ptrace, AccessMode::Attach) => Act::Memory,
            _ => return self.tally.pass(counted),
        };
        let known = self.past.known;
        let workload = seen.workload.and_then(|number| known.workloads.get(number as usize));
        let target = seen.target.and_then(|target| self.worlds.get(target.workload? as usize)?.as_ref());
        let Some(target) = target.filter(|_| workload.is_some_and(|it| it.kind.is_container())) else {
            return self.tally.pass(counted);
        };
        let judged = match target.is_pending {
            true => Judged::Undecidable(Lack::Names),
            false => self.by_target(target, seen),
        };
        let subject = Subject { workload: seen.workload, program: seen.program };
        let object = tally::object(known, seen);
        if counted != 0 {
            self.tally.add(known, Done { subject, act, object, count: counted, span: seen.span }, judged);
        }
    }

    fn by_target(&self, target: &World, seen: &SeenAccess) -> Judged {
        let program = seen.program.and_then(|number| self.past.known.programs.get(number as usize));
        let bits = if program.is_some_and(|it| it.runtime) { flags::RUNTIME } else { 0 };
        let actor = Actor { generation: 0, flags: bits, facts: 0, binary: InodeKey::default() };
        let generation = target.compiled.generation;
        let decision = match seen.how {
            AccessKind::Environ => decide::environment(&self.tables, &actor, generation, false),
            _ => decide::memory(&self.tables, &actor, generation),
        };
        self.agreed(target, Some(generation), std::iter::once(decision), None)
    }

    /// May it open this secret?
    fn file(&self, world: &World, seen: &SeenAccess) -> Judged {
        if world.is_pending {
            return Judged::Undecidable(Lack::Names);
        }
        let generation = world.compiled.generation;
        if self.sources.is_unknown(seen.secret) && !world.compiled.secrets.is_empty() {
            return Judged::Undecidable(Lack::Secret);
        }
        let object = self.sources.object(seen.secret);
        let (keys, of_keys) = requests::keys(self.past.known, world, object, seen.secret);
        let (actors, of_actors) = world.actors(self.past.known, seen.program);
        let rule = |key: &u64| decide::rule_of_secret(&self.tables, generation, object, *key);
        let is_spoken_of = keys.iter().any(|key| rule(key).is_some());
        if !is_spoken_of && world.asks_for_paths && !self.sources.is_placed(seen.secret) {
            return Judged::Undecidable(Lack::Place);
        }
        let decisions = keys.iter().flat_map(|key| {
            let rule = rule(key);
            actors.iter().map(move |actor| match rule {
                Some(rule) => decide::secret(&self.tables, actor, rule),
                None => Decision::ALLOWED,
            })
        });
        self.agreed(world, None, decisions, of_keys.or(of_actors))
    }

    /// May it see this environment, or reach into this memory?
    fn process(&self, world: &World, seen: &SeenAccess) -> Judged {
        if world.is_pending {
            return Judged::Undecidable(Lack::Names);
        }
        let own = world.compiled.generation;
        let targets = requests::targets(seen, own, &self.worlds, self.guarding);
        let target_lack = (targets.len() > 1).then_some(Lack::Target);
        let (actors, of_actors) = world.actors(self.past.known, seen.program);
        let decisions = targets.iter().flat_map(|(target, is_own)| {
            actors.iter().map(move |actor| match seen.how {
                AccessKind::Environ => decide::environment(&self.tables, actor, *target, *is_own),
                _ => decide::memory(&self.tables, actor, *target),
            })
        });
        let of_target = targets.first().map(|(target, _)| *target);
        self.agreed(world, of_target, decisions, target_lack.or(of_actors))
    }

    /// From its first read on a secret may bind its workload.
    fn bind(&mut self, seen: &SeenAccess, judged: &Judged) {
        let Some(number) = seen.workload.map(|it| it as usize) else { return };
        let Some(world) = self.worlds.get(number).and_then(Option::as_ref) else { return };
        let (actors, _) = world.actors(self.past.known, seen.program);
        if matches!(judged, Judged::Denied { really: true, .. }) || actors.iter().all(requests::is_runtime) {
            return;
        }
        let object = self.sources.object(seen.secret);
        let (keys, _) = requests::keys(self.past.known, world, object, seen.secret);
        let rules = keys
            .iter()
            .filter_map(|key| decide::rule_of_secret(&self.tables, world.compiled.generation, object, *key));
        let bindings: Vec<u8> =
            rules.flat_map(|rule| rule.bind).filter(|binding| *binding != NO_BINDING).collect();
        let is_certain = !matches!(judged, Judged::Undecidable(_)) && keys.len() == 1;
        if let Some(Some(world)) = self.worlds.get_mut(number) {
            for binding in bindings {
                world.begin(usize::from(binding), seen.span.first, is_certain);
            }
        }
    }

    /// May it be executed?
    fn execution(&self, world: &World, seen: &SeenExecution) -> Judged {
        if world.is_pending {
            return Judged::Undecidable(Lack::Names);
        }
        let Some(program) = self.past.known.programs.get(seen.program as usize) else {
            return Judged::Allowed;
        };
        let sessions = requests::sessions(program, world.is_container);
        let mut actors: Vec<Actor> =
            sessions.iter().map(|session| requests::executor(world, *session, false)).collect();
        let mut lack = (sessions.len() > 1).then_some(Lack::Session);
        match seen.from {
            // Who is let in by the runtime is the container's start, or a session.
            Executor::Outside if world.is_container => {
                actors =
                    sessions.iter().map(|session| requests::executor(world, *session, !*session)).collect();
            }
            Executor::Unknown if world.is_container && sessions.contains(&false) => {
                actors.push(requests::executor(world, false, true));
                lack = lack.or(Some(Lack::Executor));
            }
            _ => {}
        }
        let (files, of_files) = world.executed(program);
        let decisions = actors.iter().flat_map(|actor| {
            files.iter().map(move |of_one| {
                let of_each =
                    of_one.iter().map(|(file, facts)| decide::execute(&self.tables, actor, *file, *facts));
                of_each.max_by_key(|decision| requests::strictness(*decision)).unwrap_or(Decision::ALLOWED)
            })
        });
        self.agreed(world, None, decisions, of_files.or(lack))
    }

    /// May it send there? Parts of it, with how many each is of.
    fn connection(&self, world: &mut World, seen: &SeenConnection) -> Vec<(u64, Judged)> {
        let whole = |judged: Judged| vec![(seen.span.count, judged)];
        if world.is_pending {
            return whole(Judged::Undecidable(Lack::Names));
        }
        let Some(egress) = Egress::of(seen) else {
            let limits = world.compiled.policy.flags & flag::EGRESS != 0;
            return whole(if limits { Judged::Undecidable(Lack::Destination) } else { Judged::Allowed });
        };
        let (mut others, of_names) = world.alternatives(self.policies, self.past, &egress);
        let (actors, of_actors) = world.actors(self.past.known, seen.program);
        let at_each = world.decide(&egress, seen.span, &actors, &mut others);
        self.parted(world, seen.span, &at_each, of_names.or(of_actors).unwrap_or(Lack::Read))
    }

    /// Of repeats on both sides of a moment only the latest is known to have happened when it did.
    fn parted(&self, world: &World, span: Span, at_each: &[Vec<Decision>], lack: Lack) -> Vec<(u64, Judged)> {
        let judge =
            |decisions: &[Decision], lack| self.agreed(world, None, decisions.iter().copied(), Some(lack));
        let latest = at_each.last().map_or(Judged::Allowed, |decisions| judge(decisions, lack));
        let all = judge(&at_each.concat(), if at_each.len() > 1 { Lack::Order } else { lack });
        match all {
            Judged::Undecidable(_) if at_each.len() > 1 => {
                vec![(span.latest, latest), (span.count.saturating_sub(span.latest), all)]
            }
            all => vec![(span.count, all)],
        }
    }

    /// What all decisions come to, if they agree.
    fn agreed(
        &self,
        world: &World,
        target: Option<u32>,
        decisions: impl Iterator<Item = Decision>,
        lack: Option<Lack>,
    ) -> Judged {
        let mut denied = None;
        let mut allowed = false;
        for decision in decisions {
            match requests::strictness(decision) {
                0 => allowed = true,
                _ => denied = denied.or(Some(decision)),
            }
        }
        match (denied, allowed) {
            (Some(_), true) => Judged::Undecidable(lack.unwrap_or(Lack::Process)),
            (Some(decision), false) => {
                Judged::Denied { rules: self.rules(world, target, decision), really: decision.is_denied() }
            }
            (None, _) => Judged::Allowed,
        }
    }

    fn rules(&self, world: &World, target: Option<u32>, decision: Decision) -> Vec<String> {
        let of_target = || {
            let index = (target? as usize).checked_sub(1)?;
            self.worlds.get(index)?.as_ref()
        };
        let by = if decision.is_of_target() { of_target().unwrap_or(world) } else { world };
        let Some(name) = by.compiled.rule(decision.rule()) else { return Vec::new() };
        std::iter::once(&name.id).chain(&name.also).map(|id| format!("{}/{}", id.policy, id.rule)).collect()
    }
}

/// Programs of each workload.
type ByWorkload = HashMap<u32, Vec<u32>>;
