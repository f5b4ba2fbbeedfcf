//! One workload under the policies that concern it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cofferdam_abi::decide::Actor;
use cofferdam_abi::key::InodeKey;
use cofferdam_abi::policy::{Bindings, row as flag};
use cofferdam_abi::process::{facts, flags};
use cofferdam_model::{BinaryOrigin, BootTime, Clock, Known, Program, Span, WallTime, Workload};

use super::binaries::{Binaries, file_of, interpreter_of};
use super::requests::Egress;
use super::sources::Sources;
use super::{ByWorkload, Lack, Past};
use crate::policy::{Says, SecretRule};
use crate::{CompileError, Compiled, HostTables, Input, Object, Policy, Selection, Tier, compile};

/// A workload that policies concern.
#[derive(Debug)]
pub(super) struct World {
    pub number: u32,
    pub compiled: Compiled,
    pub is_container: bool,
    /// A policy may yet select it.
    pub is_pending: bool,
    /// Rules name secrets by where they lie.
    pub asks_for_paths: bool,
    binaries: Binaries,
    /// When bindings began, and whether that is certain.
    begun: Vec<(WallTime, usize, bool)>,
    /// Its own rows, for what is bound.
    egress: HostTables,
}

/// The clock of a replay counts from 1970.
const CLOCK: Clock = Clock { booted: WallTime::from_nanos(0) };

pub(super) fn moment(now: WallTime) -> BootTime {
    CLOCK.boot(now)
}

/// Programs by workload.
pub(super) fn programs(known: &Known) -> ByWorkload {
    let mut out = ByWorkload::new();
    for (number, program) in known.programs.iter().enumerate() {
        if let Some(workload) = program.workload {
            out.entry(workload).or_default().push(number as u32);
        }
    }
    out
}

/// What is compiled for a workload, but for what may be known otherwise.
struct Wanted<'a> {
    workload: &'a Workload,
    selected: Vec<&'a Policy>,
    others: Vec<&'a Policy>,
    is_pending: bool,
}

impl<'a> Wanted<'a> {
    fn of(policies: &[&'a Policy], workload: &'a Workload) -> Self {
        let by = |wanted: Selection| {
            policies.iter().copied().filter(move |it| it.selects(workload) == wanted).collect::<Vec<_>>()
        };
        let is_pending = !by(Selection::Pending).is_empty();
        Self { workload, selected: by(Selection::Yes), others: by(Selection::No), is_pending }
    }

    fn is_concerned(&self) -> bool {
        let exclusive = |policy: &&Policy| {
            policy
                .rules()
                .iter()
                .any(|rule| matches!(&rule.says, Says::Secret(SecretRule { exclusive: true, .. })))
        };
        !self.selected.is_empty() || self.is_pending || self.others.iter().any(exclusive)
    }

    fn compile(
        &self,
        generation: u32,
        objects: &[Object],
        binaries: &Binaries,
        past: Past<'_>,
    ) -> Result<Compiled, CompileError> {
        compile(&Input {
            generation,
            workload: self.workload,
            policies: &self.selected,
            others: &self.others,
            objects,
            binaries: &binaries.resolve(self.selected.iter().flat_map(|policy| policy.binaries())),
            names: past.names,
            // No journal row tells of what went over a unix socket.
            sockets: &BTreeMap::new(),
            resolvers: past.resolvers,
            orders: &[],
            clock: CLOCK,
            now: moment(past.now),
            tier: Tier::Lsm,
        })
    }
}

impl World {
    /// `None`: nothing concerns it.
    pub(super) fn new(
        policies: &[&Policy],
        past: Past<'_>,
        sources: &Sources,
        number: u32,
        programs: Vec<u32>,
    ) -> Result<Option<Self>, CompileError> {
        let Some(workload) = past.known.workloads.get(number as usize) else { return Ok(None) };
        let wanted = Wanted::of(policies, workload);
        if !wanted.is_concerned() {
            return Ok(None);
        }
        let binaries = Binaries::of(past.known, &programs);
        let compiled = wanted.compile(number + 1, &sources.touched_by(number), &binaries, past)?;
        let is_path = |policy: &&Policy| {
            let mut rules = policy.rules().iter();
            rules.any(|rule| matches!(&rule.says, Says::Secret(secret) if secret.secret.starts_with('/')))
        };
        let mut egress = HostTables::default();
        egress.add(&compiled);
        egress.set_time(moment(past.now));
        Ok(Some(Self {
            number,
            is_container: workload.kind.is_container(),
            is_pending: wanted.is_pending,
            asks_for_paths: wanted.selected.iter().any(is_path),
            compiled,
            binaries,
            begun: Vec::new(),
            egress,
        }))
    }

    /// A binding begins.
    pub(super) fn begin(&mut self, binding: usize, at: WallTime, is_certain: bool) {
        match self.begun.iter_mut().find(|it| (it.1, it.2) == (binding, is_certain)) {
            Some(known) => known.0 = known.0.min(at),
            None => self.begun.push((at, binding, is_certain)),
        }
    }

    pub(super) fn moments(&self) -> Vec<WallTime> {
        let mut moments: Vec<WallTime> = self.begun.iter().map(|(at, ..)| *at).collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// Its first moment and all at which something else is bound than before, the last one last.
    pub(super) fn times(&self, span: Span) -> Vec<WallTime> {
        let within = |at: &WallTime| *at > span.first && *at <= span.last;
        std::iter::once(span.first).chain(self.moments().into_iter().filter(within)).collect()
    }

    /// What is certainly bound at a moment, and what may be.
    fn bound(&self, at: WallTime) -> [Bindings; 2] {
        let mut bound = [self.compiled.policy.bound; 2];
        for (begun, binding, is_certain) in &self.begun {
            if *begun <= at {
                bound[1].add(*binding);
                if *is_certain {
                    bound[0].add(*binding);
                }
            }
        }
        bound
    }

    /// The processes that may have done it.
    pub(super) fn actors(&self, known: &Known, program: Option<u32>) -> (Vec<Actor>, Option<Lack>) {
        match program.and_then(|number| known.programs.get(number as usize)) {
            Some(program) => self.actors_of(program),
            None => (self.any_of(&[true, false]), Some(Lack::Process)),
        }
    }

    fn actors_of(&self, program: &Program) -> (Vec<Actor>, Option<Lack>) {
        if program.runtime {
            return (vec![Actor { flags: flags::RUNTIME, ..self.actor(InodeKey::default(), true) }], None);
        }
        let file = file_of(&program.executable);
        let of_image = match program.executable.origin {
            BinaryOrigin::Image | BinaryOrigin::Host => vec![true],
            BinaryOrigin::Memfd | BinaryOrigin::Deleted => vec![false],
            BinaryOrigin::Unknown => vec![true, false],
            // Off the image's layers, as on a volume, the kernel sees no difference.
            BinaryOrigin::Written => match file.and_then(|file| self.binaries.is_on_image(file)) {
                Some(on_image) => vec![!on_image],
                None => vec![true, false],
            },
        };
        match file.filter(|file| self.binaries.is_named(*file)) {
            Some(file) => {
                let lack = (of_image.len() > 1).then_some(Lack::Origin);
                (of_image.iter().map(|of_image| self.actor(file, *of_image)).collect(), lack)
            }
            None => (self.any_of(&of_image), Some(Lack::Path)),
        }
    }

    /// Any binary that a rule names, and one that none does.
    fn any_of(&self, of_image: &[bool]) -> Vec<Actor> {
        let mut files: Vec<InodeKey> = self.compiled.grants.iter().map(|(key, _)| key.binary).collect();
        files.push(InodeKey::default());
        files.iter().flat_map(|file| of_image.iter().map(|of_image| self.actor(*file, *of_image))).collect()
    }

    fn actor(&self, binary: InodeKey, of_image: bool) -> Actor {
        let upper = if of_image { 0 } else { facts::OVERLAY_UPPER };
        let facts = facts::OVERLAY | facts::ON_WORKLOAD_ROOT | facts::ROOT_KNOWN | upper;
        Actor { generation: self.compiled.generation, flags: 0, facts, binary }
    }

    /// The files that an execution looks at, each with its facts: the program and its interpreter. Several such lists
    /// where it is not known which.
    pub(super) fn executed(&self, program: &Program) -> (Vec<Vec<(InodeKey, u32)>>, Option<Lack>) {
        let it = &program.executable;
        let interpreter = interpreter_of(it).map(|file| {
            // An interpreter's origin is not recorded; unless it was executed itself it is taken for the image's.
            let origin = self.binaries.origin(file).unwrap_or(BinaryOrigin::Image);
            (file, facts_of(origin))
        });
        let with = |file: InodeKey| std::iter::once((file, facts_of(it.origin))).chain(interpreter).collect();
        match file_of(it).filter(|file| self.binaries.is_named(*file)) {
            Some(file) => (vec![with(file)], None),
            None => {
                let files = self.any_of(&[true]).into_iter().map(|actor| with(actor.binary));
                (files.collect(), Some(Lack::Path))
            }
        }
    }

    /// Decides for each moment, whatever may be bound then and whatever names may stand for.
    pub(super) fn decide(
        &mut self,
        egress: &Egress,
        span: Span,
        actors: &[Actor],
        others: &mut [HostTables],
    ) -> Vec<Vec<cofferdam_abi::decide::Decision>> {
        let bounds: Vec<[Bindings; 2]> = self.times(span).into_iter().map(|at| self.bound(at)).collect();
        let generation = self.compiled.generation;
        let mut at_each = Vec::new();
        for bound in bounds {
            let mut decisions = Vec::new();
            for bound in bound {
                for tables in std::iter::once(&mut self.egress).chain(others.iter_mut()) {
                    tables.set_bound(generation, bound);
                    decisions.extend(actors.iter().map(|actor| egress.decide(tables, actor)));
                }
            }
            at_each.push(decisions);
        }
        at_each
    }

    /// The rows that there would be if a name that has no address here stood for this one, or if it were the resolver.
    pub(super) fn alternatives(
        &self,
        policies: &[&Policy],
        past: Past<'_>,
        egress: &Egress,
    ) -> (Vec<HostTables>, Option<Lack>) {
        let limits = self.compiled.policy.flags & flag::EGRESS != 0;
        let Some(workload) = past.known.workloads.get(self.number as usize).filter(|_| limits) else {
            return (Vec::new(), None);
        };
        let wanted = Wanted::of(policies, workload);
        let unknown: Vec<&str> = wanted
            .selected
            .iter()
            .flat_map(|policy| policy.hosts())
            .filter(|host| past.names.get(*host).is_none_or(Vec::is_empty))
            .collect();
        let with = |names: &BTreeMap<String, Vec<IpAddr>>, resolvers: &[IpAddr]| {
            let past = Past { names, resolvers, ..past };
            // Its bindings have the same numbers: they go by the rules alone.
            let compiled = wanted.compile(self.compiled.generation, &[], &self.binaries, past).ok()?;
            let mut tables = HostTables::default();
            tables.add(&compiled);
            tables.set_time(moment(past.now));
            Some(tables)
        };
        let mut out = Vec::new();
        for host in &unknown {
            let mut names = past.names.clone();
            names.insert((*host).to_owned(), vec![egress.address]);
            out.extend(with(&names, past.resolvers));
        }
        let may_be_resolver =
            !past.has_all_resolvers && egress.port == 53 && matches!(egress.protocol, 6 | 17);
        if may_be_resolver {
            let resolvers = [past.resolvers, &[egress.address]].concat();
            out.extend(with(past.names, &resolvers));
        }
        let lack = match (unknown.is_empty(), may_be_resolver) {
            (false, _) => Some(Lack::Host),
            (true, true) => Some(Lack::Resolver),
            (true, false) => None,
        };
        (out, lack)
    }
}

/// Facts that make an origin.
fn facts_of(origin: BinaryOrigin) -> u32 {
    match origin {
        BinaryOrigin::Image => facts::OVERLAY | facts::ON_WORKLOAD_ROOT | facts::ROOT_KNOWN,
        BinaryOrigin::Written => facts::ROOT_KNOWN,
        BinaryOrigin::Memfd => facts::MEMFD,
        BinaryOrigin::Deleted => facts::UNLINKED,
        BinaryOrigin::Host => facts::HOST_MOUNTS,
        BinaryOrigin::Unknown => 0,
    }
}
