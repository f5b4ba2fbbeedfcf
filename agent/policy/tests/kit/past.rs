//! What a journal has seen, made up.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cofferdam_model::{
    AccessKind, AccessMode, BinaryOrigin, Completeness, Executable, Executor, Known, KnownSecret, Program,
    Protocol, SeenAccess, SeenConnection, SeenExecution, SeenTarget, Span, TargetRelation, WallTime,
    Workload,
};
use cofferdam_policy::{Past, Policy, Replay, Replayed};

use super::kit::{self, wall};

/// A past of some workloads.
#[derive(Debug, Default)]
pub struct Story {
    pub known: Known,
    pub accesses: Vec<SeenAccess>,
    pub connections: Vec<SeenConnection>,
    pub executions: Vec<SeenExecution>,
    pub names: BTreeMap<String, Vec<IpAddr>>,
    pub resolvers: Vec<IpAddr>,
}

pub fn span(second: i64, last: i64, count: u64) -> Span {
    let at =
        |second: i64| WallTime::from_nanos(wall("2026-11-22T00:10:00Z").as_nanos() + second * 1_000_000_000);
    Span {
        first: at(second),
        last: at(last),
        count,
        latest: count.min(if second == last { count } else { 1 }),
    }
}

pub fn complete() -> Completeness {
    Completeness {
        complete: true,
        lost: 0,
        over_budget: 0,
        unknown_workloads: 0,
        seen_since: None,
        sources: Vec::new(),
        reasons: Vec::new(),
    }
}

impl Story {
    pub fn of(workload: Workload) -> Self {
        let resolvers = vec!["10.96.0.10".parse().unwrap()];
        Self { known: Known { workloads: vec![workload], ..Known::default() }, resolvers, ..Self::default() }
    }

    /// A program of the first workload.
    pub fn program(&mut self, path: Option<&str>, origin: BinaryOrigin) -> u32 {
        self.program_as(path, origin, Some(false), false)
    }

    pub fn program_as(
        &mut self,
        path: Option<&str>,
        origin: BinaryOrigin,
        exec_session: Option<bool>,
        runtime: bool,
    ) -> u32 {
        // On the image's file system, each path and origin a file of its own.
        let ino = path.map(|path| kit::file(path).ino ^ origin as u64);
        let filesystem = cofferdam_model::FilesystemKey { device: 9, generation: 0 };
        let inode = ino.map(|ino| cofferdam_model::InodeKey { filesystem, ino, generation: 0 });
        let executable = Executable {
            path: path.map(str::to_owned),
            inode,
            origin,
            interpreter: None,
            interpreter_inode: None,
        };
        self.known.programs.push(Program { workload: Some(0), executable, exec_session, runtime });
        self.known.programs.len() as u32 - 1
    }

    pub fn secret(&mut self, name: &str, key: Option<&str>) -> u32 {
        let mut of = kit::secret(name).refs.remove(0);
        of.key = key.map(str::to_owned);
        self.known.secrets.push(KnownSecret { of, path: None });
        self.known.secrets.len() as u32 - 1
    }

    pub fn reads(&mut self, program: Option<u32>, secret: u32, span: Span) {
        self.accesses.push(SeenAccess {
            workload: Some(0),
            program,
            secret,
            how: AccessKind::Open,
            mode: AccessMode::Read,
            target: None,
            denied: false,
            earlier: false,
            span,
        });
    }

    pub fn sees(&mut self, program: Option<u32>, relation: Option<TargetRelation>, attach: bool, span: Span) {
        let secret = self.secret("environment", None);
        let target = relation.map(|relation| SeenTarget { relation, workload: Some(0) });
        self.reads(program, secret, span);
        if let Some(access) = self.accesses.last_mut() {
            access.how = if attach { AccessKind::Ptrace } else { AccessKind::Environ };
            access.mode = if attach { AccessMode::Attach } else { AccessMode::Read };
            access.target = target;
        }
    }

    pub fn connects(
        &mut self,
        program: Option<u32>,
        address: &str,
        port: u16,
        protocol: Protocol,
        span: Span,
    ) {
        self.connections.push(SeenConnection {
            workload: Some(0),
            program,
            destination: address.parse().ok(),
            port,
            protocol,
            taint: None,
            denied: false,
            span,
        });
    }

    pub fn executes(&mut self, program: u32, from: Executor, span: Span) {
        self.executions.push(SeenExecution { program, from, span });
    }

    /// What policies would have made of it, at minute 10.
    pub fn replayed(&self, policies: &[&Policy]) -> Vec<Replayed> {
        let past = Past {
            known: &self.known,
            accesses: &self.accesses,
            names: &self.names,
            resolvers: &self.resolvers,
            has_all_resolvers: !self.resolvers.is_empty(),
            now: wall("2026-11-22T00:10:00Z"),
        };
        let mut replay = Replay::new(policies, past).unwrap();
        replay.executions(&self.executions);
        replay.connections(&self.connections);
        replay.outcome()
    }

    /// `denied/allowed/undecidable` of what was done to an object, and by which rule or for which lack.
    pub fn told(&self, policies: &[&Policy]) -> Vec<String> {
        let line = |row: &Replayed| {
            let lacks: Vec<String> = row.lacks.keys().map(|lack| format!("{lack:?}")).collect();
            let binary = row.binary.as_deref().unwrap_or("?");
            let Replayed { act, object, denied, allowed, undecidable, .. } = row;
            let because = [row.rules.join(" "), lacks.join(" ")].concat();
            format!("{binary} {} {object}: {denied}/{allowed}/{undecidable} {because}", act.as_str())
                .trim_end()
                .to_owned()
        };
        self.replayed(policies).iter().map(line).collect()
    }
}

/// The policies of a text that must be accepted.
pub fn accepted(text: &str) -> Vec<Policy> {
    kit::parsed(text).unwrap_or_else(|refused| panic!("{refused}\n{text}"))
}
