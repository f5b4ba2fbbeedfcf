//! Rows that are counters (accesses, connections, and attempts, which count one): found by the cheapest index, put together over segments, the
//! latest ones kept.

use std::collections::{BTreeMap, HashSet};

use cofferdam_model::{BootTime, DeniedBy, EnforcedBy, EventId, ProcessKey, Verdict, WallTime, WorkloadId};
use rusqlite::{OptionalExtension as _, Result, Row, ToSql, params_from_iter};

use super::library::{BootIndex, Library, Part, Who};
use super::names::Names;
use super::pattern::Pattern;
use super::question::Question;
use crate::codec::{Columns, bits};

/// What accesses, connections and attempts have in common, with what is their own.
#[derive(Debug, Clone)]
pub(super) struct Counter<B> {
    /// The segment that it was read from; where there are several, the newest.
    pub(super) part: usize,
    pub(super) boot: BootIndex,
    pub(super) id: EventId,
    pub(super) first: BootTime,
    pub(super) last: BootTime,
    pub(super) count: u64,
    /// With earlier segments: what this one counts happened after this.
    after: Option<BootTime>,
    pub(super) workload: WorkloadId,
    pub(super) process: Option<ProcessKey>,
    pub(super) exec: Option<EventId>,
    pub(super) verdict: Verdict,
    pub(super) denied_by: Option<DeniedBy>,
    pub(super) enforced_by: EnforcedBy,
    pub(super) policy: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) exception: bool,
    pub(super) generation: u64,
    pub(super) body: B,
}

/// The columns of [`Counter`] between what it counts and its body.
const COMMON: &str = "t.workload, t.pid, t.start_boot_ns, t.exec, t.verdict, d.denied_by, d.enforced_by, d.policy, \
     d.rule, d.exception, d.generation";

/// What is an access's, a connection's or an attempt's own.
pub(super) trait Body: Sized {
    const TABLE: &'static str;
    /// What it counts: first, latest, total, share of earlier segments, and their latest.
    const COUNTED: &'static str = "t.first_boot_ns, t.last_boot_ns, t.total, t.base, t.after_boot_ns";
    /// Its columns, of the table `t`.
    const COLUMNS: &'static str;
    /// Whether rows name a secret by its id, and an index finds them by it.
    const HAS_SECRET: bool;

    fn read(c: &mut Columns<'_, '_>) -> Result<Self>;

    /// Whether it concerns one of these secrets, given by their ids in the segment and by the glob that was asked for.
    fn concerns(&self, secrets: &HashSet<i64>, asked: &Pattern) -> bool;
}

/// The columns of a counter, in the order of [`Counter::read`].
fn columns<B: Body>() -> String {
    format!("t.boot, t.id, {}, {COMMON}, {}", B::COUNTED, B::COLUMNS)
}

impl<B: Body> Counter<B> {
    fn read(index: usize, part: &Part, row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::of(row);
        let boot = part.boot(c.get()?)?;
        let (id, first, last) = (c.event()?, c.time()?, c.time()?);
        let (total, base) = (c.unsigned()?, c.unsigned()?);
        Ok(Self {
            part: index,
            boot,
            id,
            first,
            last,
            count: total.saturating_sub(base),
            after: c.opt_time()?,
            workload: c.workload()?,
            process: c.opt_process()?,
            exec: c.opt_event()?,
            verdict: c.word()?,
            denied_by: c.opt_word()?,
            enforced_by: c.word()?,
            policy: c.get()?,
            rule: c.get()?,
            exception: c.get()?,
            generation: c.unsigned()?,
            body: B::read(&mut c)?,
        })
    }

    pub(super) fn who(&self) -> Who {
        (self.boot, self.workload)
    }

    /// Adds the share of an older segment.
    fn add(&mut self, older: &Self) {
        self.count = self.count.saturating_add(older.count);
        self.first = self.first.min(older.first);
        self.last = self.last.max(older.last);
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found<B> {
    /// Oldest first.
    pub(super) rows: Vec<Counter<B>>,
    /// Rows left out because there were more than `most`.
    pub(super) left_out: bool,
}

/// Finds the latest `most` counters that fit. `workloads` narrows in place of the question's own.
pub(super) fn find<B: Body>(
    names: &mut Names<'_>,
    question: &Question,
    workloads: Option<&HashSet<Who>>,
    most: usize,
) -> Found<B> {
    let library = names.library;
    // By (first, boot, id): the same in every segment, so that a counter meets itself, and the earliest can go.
    let mut kept: BTreeMap<(WallTime, BootIndex, EventId), Counter<B>> = BTreeMap::new();
    let mut left_out = false;
    for (index, part) in library.parts.iter().enumerate().rev() {
        if !question.may_hold(&library.clocks(), part) {
            continue;
        }
        library.ask(index, |part| {
            let secrets = secret_ids(part, question.secrets.as_ref())?;
            for Way { index: by, condition, values, newest_first } in
                ways::<B>(part, question, workloads, secrets.as_ref())
            {
                let (table, columns) = (B::TABLE, columns::<B>());
                // CROSS JOIN keeps the order of the tables, INDEXED BY the index: without statistics SQLite takes
                // the primary key for the better one and walks through the whole boot.
                let sql = format!(
                    "SELECT {columns} FROM {table} t {by} CROSS JOIN decision d ON d.id = t.decision
                     {condition}"
                );
                let mut statement = part.conn.prepare_cached(&sql)?;
                let mut rows = statement.query(params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    let counter = Counter::<B>::read(index, part, row)?;
                    // Ids grow with the time of the first event: what follows is older still.
                    let first = library.wall(counter.boot, counter.first);
                    let latest = first.max(library.wall(counter.boot, counter.id.time()));
                    let too_old = || kept.first_key_value().is_some_and(|((oldest, ..), _)| latest < *oldest);
                    if newest_first && kept.len() >= most && too_old() {
                        left_out = true;
                        break;
                    }
                    if !fits(names, question, workloads, secrets.as_ref(), &counter) {
                        continue;
                    }
                    let key = (first, counter.boot, counter.id);
                    match kept.get_mut(&key) {
                        Some(newer) => newer.add(&counter),
                        None => {
                            kept.insert(key, counter);
                        }
                    }
                    if kept.len() > most {
                        kept.pop_first();
                        left_out = true;
                    }
                }
            }
            Ok(())
        });
    }
    Found { rows: kept.into_values().collect(), left_out }
}

fn fits<B: Body>(
    names: &mut Names<'_>,
    question: &Question,
    workloads: Option<&HashSet<Who>>,
    secrets: Option<&HashSet<i64>>,
    counter: &Counter<B>,
) -> bool {
    let wanted = workloads.is_none_or(|workloads| workloads.contains(&counter.who()))
        && question.wants_verdict(counter.verdict)
        && secrets
            .zip(question.secret.as_ref())
            .is_none_or(|(secrets, asked)| counter.body.concerns(secrets, asked))
        && question.in_range(
            names.library,
            counter.boot,
            counter.after.unwrap_or(counter.first),
            counter.last,
        );
    wanted
        && question.binary.as_ref().is_none_or(|binary| {
            let program = program_of(names, counter);
            program.and_then(|program| program.binary.clone()).is_some_and(|path| binary.fits(&path))
        })
}

/// The program that did it: as named by the row, or else the one that its process ran then.
pub(super) fn program_of<B>(
    names: &mut Names<'_>,
    counter: &Counter<B>,
) -> Option<std::rc::Rc<super::names::Program>> {
    if let Some(exec) = counter.exec {
        return names.program(counter.boot, exec, counter.part);
    }
    let process = counter.process?;
    names.program_at(counter.boot, process, counter.first)
}

/// A way through a segment.
struct Way {
    index: String,
    condition: &'static str,
    values: Vec<Box<dyn ToSql>>,
    /// Its rows come latest first.
    newest_first: bool,
}

/// The ways to go through a segment: one per workload or secret where these are given, or all of it.
fn ways<B: Body>(
    part: &Part,
    question: &Question,
    workloads: Option<&HashSet<Who>>,
    secrets: Option<&HashSet<i64>>,
) -> Vec<Way> {
    let table = B::TABLE;
    if let Some(workloads) = workloads {
        let numbered = workloads.iter().filter_map(|(boot, workload)| Some((part.number(*boot)?, *workload)));
        return numbered
            .map(|(number, workload)| Way {
                index: format!("INDEXED BY {table}_by_workload"),
                condition: "WHERE t.boot = ?1 AND t.workload = ?2",
                values: vec![Box::new(number), Box::new(bits(workload.0))],
                newest_first: false,
            })
            .collect();
    }
    if let (true, Some(secrets)) = (B::HAS_SECRET, secrets) {
        return secrets
            .iter()
            .map(|id| Way {
                index: format!("INDEXED BY {table}_by_secret"),
                condition: "WHERE t.secret = ?1",
                values: vec![Box::new(*id)],
                newest_first: false,
            })
            .collect();
    }
    // With the condition of the partial index word for word, or SQLite does not see that it has them all.
    let refused = match question.verdict {
        Some(Verdict::Denied) => Some("WHERE t.verdict <> 'allowed' AND t.verdict = 'denied'"),
        Some(Verdict::WouldDeny) => Some("WHERE t.verdict <> 'allowed' AND t.verdict = 'would-deny'"),
        None if question.refused => Some("WHERE t.verdict <> 'allowed'"),
        Some(Verdict::Allowed) | None => None,
    };
    if let Some(condition) = refused {
        let index = format!("INDEXED BY {table}_refused");
        return vec![Way { index, condition, values: Vec::new(), newest_first: false }];
    }
    // Ids above 2^63 (after 416 days of uptime) are negative in SQLite: they are the later ones.
    let halves = [
        "WHERE t.boot = ?1 AND t.id < 0 ORDER BY t.id DESC",
        "WHERE t.boot = ?1 AND t.id >= 0 ORDER BY t.id DESC",
    ];
    let numbers = part.boots.values().map(|holds| holds.number);
    numbers
        .flat_map(|number| {
            halves.map(|condition| Way {
                index: String::new(),
                condition,
                values: vec![Box::new(number)],
                newest_first: true,
            })
        })
        .collect()
}

fn secret_ids(part: &Part, identities: Option<&HashSet<String>>) -> Result<Option<HashSet<i64>>> {
    let Some(identities) = identities else { return Ok(None) };
    let mut statement = part.conn.prepare_cached("SELECT id FROM secret WHERE identity = ?1")?;
    let mut ids = HashSet::new();
    for identity in identities {
        for id in statement.query_map([identity], |row| row.get(0))? {
            ids.insert(id?);
        }
    }
    Ok(Some(ids))
}

/// How many rows fit of workloads that nobody has named. They may belong to whom the question is about.
pub(super) fn count_unnamed<B: Body>(names: &mut Names<'_>, question: &Question) -> u64 {
    const MOST: usize = 10_000;
    let mut unnamed = question.unnamed.clone();
    unnamed.extend((0..names.library.boots.len()).map(|boot| (boot, WorkloadId::UNKNOWN)));
    u64::try_from(find::<B>(names, question, Some(&unnamed), MOST).rows.len()).unwrap_or(u64::MAX)
}

/// One counter, put together from all segments.
pub(super) fn find_by_id<B: Body>(library: &Library, boot: BootIndex, id: EventId) -> Option<Counter<B>> {
    let sql = format!(
        "SELECT {} FROM {} t JOIN decision d ON d.id = t.decision WHERE t.boot = ?1 AND t.id = ?2",
        columns::<B>(),
        B::TABLE
    );
    let found = library.knowing(boot).rev().filter_map(|(index, number)| {
        library.ask(index, |part| {
            part.conn
                .prepare_cached(&sql)?
                .query_row((number, bits(id.0)), |row| Counter::<B>::read(index, part, row))
                .optional()
        })?
    });
    found.reduce(|mut newer, older| {
        newer.add(&older);
        newer
    })
}
