//! What the numbers in evidence stand for: workloads, programs and secrets, each read once from every segment.

use std::collections::HashMap;

use cofferdam_model::{
    CgroupId, Executable, Executor, Image, Known, KnownSecret, Program, SecretRef, SeenExecution, Span,
    WallTime, Workload, WorkloadId, WorkloadKind,
};
use rusqlite::Result;
use rustc_hash::FxHashMap;

use super::super::library::{BootIndex, Clocks, Library, Part, Who};
use super::super::names::{self, PROGRAM};
use super::super::question::Question;
use crate::codec::Columns;
use crate::write::{VERSION_COLUMNS, Version};

/// From the ids in rows to numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    workloads: FxHashMap<Who, u32>,
    /// By boot.
    programs: Vec<FxHashMap<u64, u32>>,
    /// By segment and id there.
    secrets: Vec<FxHashMap<i64, u32>>,
}

impl Numbers {
    pub(super) fn workload(&self, who: Who) -> Option<u32> {
        self.workloads.get(&who).copied()
    }

    pub(super) fn program(&self, boot: BootIndex, exec: u64) -> Option<u32> {
        self.programs.get(boot)?.get(&exec).copied()
    }

    pub(super) fn secret(&self, part: usize, id: i64) -> Option<u32> {
        self.secrets.get(part)?.get(&id).copied()
    }
}

/// Reads all names.
pub(super) fn read(library: &mut Library, question: &Question) -> (Known, Numbers, Vec<SeenExecution>) {
    let (mut known, mut numbers) = (Known::default(), Numbers::default());
    for (who, workload) in workloads(library) {
        if question.wants(who) {
            numbers.workloads.insert(who, known.workloads.len() as u32);
        }
        known.workloads.push(workload);
    }
    // Targets of accesses may be workloads that were not asked for: they keep their place, without rows of their own.
    let executions = programs(library, question, &mut known, &mut numbers);
    secrets(library, &mut known, &mut numbers);
    (known, numbers, executions)
}

/// The latest version of each workload that has a name.
fn workloads(library: &mut Library) -> Vec<(Who, Workload)> {
    let found = library.ask_all(|_, _, part| {
        let sql = format!("SELECT {VERSION_COLUMNS}, boot FROM workload WHERE name IS NOT NULL");
        let mut statement = part.conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut latest: HashMap<Who, Version> = HashMap::new();
        while let Some(row) = rows.next()? {
            let version = Version::read(row)?;
            keep_later(&mut latest, (part.boot(row.get("boot")?)?, version.workload), version);
        }
        Ok(latest)
    });
    let mut all: HashMap<Who, Version> = HashMap::new();
    for (who, version) in found.into_iter().flatten() {
        keep_later(&mut all, who, version);
    }
    let mut all: Vec<_> =
        all.into_iter().filter_map(|(who, version)| Some((who, workload(version)?))).collect();
    all.sort_by_key(|(who, _)| *who);
    all
}

/// Of one version the later segment's says more.
fn keep_later(latest: &mut HashMap<Who, Version>, who: Who, version: Version) {
    match latest.get_mut(&who) {
        Some(known) if known.valid_from > version.valid_from => {}
        Some(known) => *known = version,
        None => drop(latest.insert(who, version)),
    }
}

/// A workload as one version says it.
pub(in crate::read) fn workload(version: Version) -> Option<Workload> {
    let runtime = || version.runtime.as_deref().and_then(|word| word.parse().ok());
    let container_id = || version.container_id.as_deref().and_then(|id| id.parse().ok());
    let kind = match version.kind.as_deref()? {
        "pod-container" => WorkloadKind::PodContainer {
            pod_uid: version.pod_uid.as_deref()?.parse().ok()?,
            container_id: container_id()?,
            runtime: runtime()?,
        },
        "container" => WorkloadKind::Container {
            container_id: container_id()?,
            runtime_namespace: version.runtime_namespace.clone(),
            runtime: runtime()?,
        },
        "unit" => WorkloadKind::Unit { unit: version.unit.clone()? },
        "host" => WorkloadKind::Host,
        _ => WorkloadKind::Other,
    };
    Some(Workload {
        id: version.workload,
        cgroup: CgroupId(version.cgroup),
        cgroup_path: version.cgroup_path.unwrap_or_default(),
        kind,
        namespace: version.namespace,
        pod: version.pod,
        container: version.container,
        sandbox: version.sandbox,
        labels: version.labels,
        image: version.image.map(|name| Image { name, digest: version.image_digest }),
        credential_variables: version.credential_variables,
        since: version.since.unwrap_or(version.valid_from),
        until: version.until,
    })
}

/// A process's program, as one segment has it.
struct Ran {
    boot: BootIndex,
    exec: u64,
    /// Among the segment's own.
    program: u32,
    who: Who,
    parent: Option<u64>,
    adopted: bool,
    began: WallTime,
}

/// Programs of one segment.
#[derive(Default)]
struct OfPart {
    programs: Vec<(Who, Program)>,
    ran: Vec<Ran>,
}

fn programs(
    library: &mut Library,
    question: &Question,
    known: &mut Known,
    numbers: &mut Numbers,
) -> Vec<SeenExecution> {
    let found = library.ask_all(|clocks, _, part| of_part(clocks, part));
    numbers.programs.resize_with(library.boots.len(), FxHashMap::default);
    let mut by_program: HashMap<(Who, Program), u32> = HashMap::new();
    let mut all: FxHashMap<(BootIndex, u64), Ran> = FxHashMap::default();
    for OfPart { programs, ran } in found {
        let numbered: Vec<u32> = programs
            .into_iter()
            .map(|(who, program)| {
                *by_program.entry((who, program)).or_insert_with_key(|(who, program)| {
                    let workload = numbers.workload(*who);
                    known.programs.push(Program { workload, ..program.clone() });
                    known.programs.len() as u32 - 1
                })
            })
            .collect();
        for it in ran {
            let program = numbered.get(it.program as usize).copied().unwrap_or_default();
            // A later segment knows more, but for what was begun before it.
            let says_more = known.programs[program as usize].executable.path.is_some();
            let key = (it.boot, it.exec);
            if says_more || !all.contains_key(&key) {
                numbers.programs[it.boot].insert(it.exec, program);
                all.insert(key, Ran { program, ..it });
            }
        }
    }
    executions(&all, known, question)
}

fn of_part(clocks: &Clocks<'_>, part: &Part) -> Result<OfPart> {
    let mut statement = part.conn.prepare(&format!("SELECT boot, {PROGRAM} FROM process"))?;
    let mut rows = statement.query([])?;
    let mut out = OfPart::default();
    let mut known: HashMap<(Who, Program), u32> = HashMap::new();
    while let Some(row) = rows.next()? {
        let mut c = Columns::of(row);
        let boot = part.boot(c.get()?)?;
        let of = names::Program::read(&mut c)?;
        let who = (boot, of.workload);
        let program = Program {
            workload: None,
            executable: Executable {
                path: of.binary,
                inode: of.inode,
                origin: of.origin,
                interpreter: of.interpreter,
                interpreter_inode: of.interpreter_inode,
            },
            exec_session: of.exec_session,
            runtime: of.runtime,
        };
        let number = *known.entry((who, program)).or_insert_with_key(|key| {
            out.programs.push(key.clone());
            out.programs.len() as u32 - 1
        });
        out.ran.push(Ran {
            boot,
            exec: of.exec.0,
            program: number,
            who,
            parent: of.parent_exec.map(|exec| exec.0),
            adopted: of.adopted,
            began: clocks.wall(boot, of.began),
        });
    }
    Ok(out)
}

/// What was executed in the range. A fork runs what its parent runs, and executes nothing.
fn executions(
    all: &FxHashMap<(BootIndex, u64), Ran>,
    known: &Known,
    question: &Question,
) -> Vec<SeenExecution> {
    let mut seen: HashMap<(u32, Executor), Span> = HashMap::new();
    for it in all.values().filter(|it| !it.adopted && question.wants(it.who)) {
        let outside = question.since.is_some_and(|since| it.began < since)
            || question.until.is_some_and(|until| it.began >= until);
        let program = &known.programs[it.program as usize];
        let parent = it.parent.and_then(|parent| all.get(&(it.boot, parent)));
        let of_parent = parent.map(|parent| &known.programs[parent.program as usize]);
        if outside || program.runtime || of_parent.is_some_and(|of| of.executable == program.executable) {
            continue;
        }
        let from = match (parent, of_parent) {
            (Some(parent), Some(of)) if parent.who == it.who && !of.runtime => Executor::Within,
            (Some(_), Some(_)) => Executor::Outside,
            _ => Executor::Unknown,
        };
        let span = Span { first: it.began, last: it.began, count: 1, latest: 1 };
        super::add(&mut seen, (it.program, from), span);
    }
    let mut seen: Vec<_> =
        seen.into_iter().map(|((program, from), span)| SeenExecution { program, from, span }).collect();
    seen.sort_by_key(|it| (it.program, it.span.first));
    seen
}

fn secrets(library: &mut Library, known: &mut Known, numbers: &mut Numbers) {
    let mut by_identity: HashMap<String, u32> = HashMap::new();
    for index in 0..library.parts.len() {
        let found = library.ask(index, of_secrets).unwrap_or_default();
        let of_part = found.into_iter().map(|(id, identity, secret)| {
            let number = *by_identity.entry(identity).or_insert_with(|| {
                known.secrets.push(secret.clone());
                known.secrets.len() as u32 - 1
            });
            let first = &mut known.secrets[number as usize];
            // Names arrive late.
            first.of.namespace = secret.of.namespace.or(first.of.namespace.take());
            first.path = secret.path.or(first.path.take());
            (id, number)
        });
        numbers.secrets.push(of_part.collect());
    }
}

/// The secrets of a segment: id there, identity, and what is known of it.
pub(in crate::read) fn of_secrets(part: &Part) -> Result<Vec<(i64, String, KnownSecret)>> {
    let mut statement = part.conn.prepare(
        "SELECT s.id, s.identity, s.kind, s.namespace, s.name, s.pod_uid, s.uid, s.key, s.owner,
             (SELECT max(f.path) FROM secret_found f WHERE f.secret = s.id)
         FROM secret s",
    )?;
    let rows = statement.query_map([], |row| {
        let mut c = Columns::of(row);
        let (id, identity) = (c.get()?, c.get()?);
        let of = SecretRef {
            kind: c.word()?,
            namespace: c.get()?,
            name: c.get()?,
            pod_uid: c.opt_word()?,
            uid: c.get()?,
            key: c.get()?,
            owner: c.opt_unsigned()?.map(WorkloadId),
        };
        Ok((id, identity, KnownSecret { of, path: c.get()? }))
    })?;
    rows.collect()
}
