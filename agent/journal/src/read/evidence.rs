//! Evidence: what a journal holds of a range, row for row but without its words, for replays and for learning. Rows
//! that say the same are one; segments are read by as many threads as there are processors.

pub(super) mod known;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;

use cofferdam_model::{
    AccessKind, AccessMode, Answer, BootTime, Filter, Known, Protocol, SeenAccess, SeenConnection,
    SeenExecution, SeenTarget, Span, TargetRelation, Verdict, WallTime, WorkloadId,
};
use rusqlite::{Result, params};
use rustc_hash::FxBuildHasher;

use self::known::Numbers;
use super::completeness::{RowsSay, answer};
use super::library::{BootIndex, Clocks, Library, Part};
use super::question::Question;
use super::reader::Reader;
use crate::Error;
use crate::codec::{Columns, bits, from_json};

/// The evidence of a range, from one snapshot.
#[derive(Debug)]
pub struct Evidence {
    /// Its connections are used by one question at a time.
    library: RefCell<Library>,
    question: Question,
    known: Known,
    numbers: Numbers,
    executions: Vec<SeenExecution>,
}

/// What happened over and over, by what it says.
type Seen<K, S> = HashMap<K, Span, S>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct AccessKey {
    workload: Option<u32>,
    program: Option<u32>,
    secret: u32,
    how: AccessKind,
    mode: AccessMode,
    target: Option<SeenTarget>,
    denied: bool,
    earlier: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ConnectionKey {
    workload: Option<u32>,
    program: Option<u32>,
    destination: Option<IpAddr>,
    port: u16,
    protocol: Protocol,
    /// As it is written.
    taint: Option<String>,
    denied: bool,
    /// Between which moments it began, and ended.
    between: (usize, usize),
}

impl Reader {
    /// What the journal holds of the workloads that fit and of the filter's range; its other fields do not narrow it.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn evidence(&self, filter: &Filter) -> std::result::Result<Evidence, Error> {
        let mut library = self.library()?;
        let question = Question::resolve(&library, filter);
        let (known, numbers, executions) = known::read(&mut library, &question);
        let library = RefCell::new(library);
        Ok(Evidence { library, question, known, numbers, executions })
    }
}

impl Evidence {
    /// What the numbers in rows stand for.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Programs that were executed.
    pub fn executions(&self) -> &[SeenExecution] {
        &self.executions
    }

    /// Accesses, also those before the range: they are marked.
    pub fn accesses(&self) -> Vec<SeenAccess> {
        let (question, numbers) = (&self.question, &self.numbers);
        let found = self.library.borrow_mut().ask_all(|clocks, index, part| {
            // Numbers of our own: nobody can choose them so that they collide.
            let mut seen: Seen<AccessKey, FxBuildHasher> = Seen::default();
            // Nearly all rows are plain reads: of these no word is looked at.
            let columns = "t.exec, t.secret, t.how = 'open' AND t.mode = 'read' AND t.verdict = 'allowed', \
                 t.how, t.mode, t.target_relation, t.target_workload, t.verdict";
            each(clocks, part, question, numbers, "access", columns, |row, c| {
                let exec = c.opt_unsigned()?;
                let secret: i64 = c.get()?;
                let Some(secret) = numbers.secret(index, secret) else { return Ok(()) };
                let (how, mode, target, denied) = match c.get()? {
                    true => (AccessKind::Open, AccessMode::Read, None, false),
                    false => unusual(&row, c, numbers)?,
                };
                let program = exec.and_then(|exec| numbers.program(row.boot, exec));
                let earlier = question.since.is_some_and(|since| row.span.last < since);
                let workload = row.workload;
                let key = AccessKey { workload, program, secret, how, mode, target, denied, earlier };
                add(&mut seen, key, row.span);
                Ok(())
            })?;
            Ok(seen)
        });
        let row = |(key, span): (AccessKey, Span)| {
            let AccessKey { workload, program, secret, how, mode, target, denied, earlier } = key;
            SeenAccess { workload, program, secret, how, mode, target, denied, earlier, span }
        };
        together(found).into_iter().map(row).collect()
    }

    /// Connections. Of a workload with moments, those on one side of a moment are not put together with those on the
    /// other: what lies on both sides is one process that connected again and again. Beside them what processes had
    /// touched before: lists of secrets by their display names, with key.
    pub fn connections(&self, moments: &[Vec<WallTime>]) -> (Vec<SeenConnection>, Vec<Vec<String>>) {
        let (question, numbers) = (&self.question, &self.numbers);
        let found = self.library.borrow_mut().ask_all(|clocks, _, part| {
            let mut seen: Seen<ConnectionKey, RandomState> = Seen::default();
            if !question.may_hold(clocks, part) {
                return Ok(seen);
            }
            let columns = "t.exec, t.destination, t.port, t.protocol, t.tainted_by, t.verdict";
            each(clocks, part, question, numbers, "connection", columns, |row, c| {
                if question.since.is_some_and(|since| row.span.last < since) {
                    return Ok(());
                }
                let program = c.opt_unsigned()?.and_then(|exec| numbers.program(row.boot, exec));
                let destination = c.opt_text()?.and_then(|text| text.parse().ok());
                let (port, protocol, taint) = (c.get()?, c.word()?, c.opt_text()?.map(str::to_owned));
                let of = row.workload.and_then(|workload| moments.get(workload as usize));
                let before = |at: WallTime| of.map_or(0, |of| of.partition_point(|moment| *moment <= at));
                let between = (before(row.span.first), before(row.span.last));
                let key = ConnectionKey {
                    workload: row.workload,
                    program,
                    destination,
                    port,
                    protocol,
                    taint,
                    denied: c.word::<Verdict>()? == Verdict::Denied,
                    between,
                };
                let latest = if between.0 == between.1 { row.span.count } else { 1 };
                add(&mut seen, key, Span { latest, ..row.span });
                Ok(())
            })?;
            Ok(seen)
        });
        numbered(together(found))
    }

    /// The range that was looked at, and how complete it is.
    pub fn completeness(&self) -> Answer<()> {
        let unnamed = u64::try_from(self.question.unnamed.len()).unwrap_or(u64::MAX);
        let say = RowsSay { unknown_workloads: unnamed, are_programs: true, ..RowsSay::default() };
        answer(&self.library.borrow(), &self.question, Vec::new(), say)
    }
}

fn numbered(found: Seen<ConnectionKey, RandomState>) -> (Vec<SeenConnection>, Vec<Vec<String>>) {
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut taints: Vec<Vec<String>> = Vec::new();
    let rows = found.into_iter().map(|(key, span)| {
        let ConnectionKey { workload, program, destination, port, protocol, taint, denied, .. } = key;
        let taint = taint.map(|taint| {
            *known.entry(taint).or_insert_with_key(|taint| {
                taints.push(from_json(taint).unwrap_or_else(|_| vec![taint.clone()]));
                taints.len() as u32 - 1
            })
        });
        SeenConnection { workload, program, destination, port, protocol, taint, denied, span }
    });
    (rows.collect(), taints)
}

/// How, what for, whose, and whether it was refused.
type Unusual = (AccessKind, AccessMode, Option<SeenTarget>, bool);

fn unusual(row: &Common, c: &mut Columns<'_, '_>, numbers: &Numbers) -> Result<Unusual> {
    let (how, mode) = (c.word()?, c.word()?);
    let relation: Option<TargetRelation> = c.opt_word()?;
    let workload = c.opt_unsigned()?.map_or(WorkloadId::UNKNOWN, WorkloadId);
    let denied = c.word::<Verdict>()? == Verdict::Denied;
    let target =
        relation.map(|relation| SeenTarget { relation, workload: numbers.workload((row.boot, workload)) });
    Ok((how, mode, target, denied))
}

/// What every row has.
struct Common {
    boot: BootIndex,
    workload: Option<u32>,
    span: Span,
}

/// Goes through the rows of one table that belong to the workloads that were asked for and began before the end of
/// the range.
fn each(
    clocks: &Clocks<'_>,
    part: &Part,
    question: &Question,
    numbers: &Numbers,
    table: &str,
    columns: &str,
    mut take: impl FnMut(Common, &mut Columns<'_, '_>) -> Result<()>,
) -> Result<()> {
    let select = format!(
        "SELECT t.boot, t.workload, coalesce(t.after_boot_ns, t.first_boot_ns), t.last_boot_ns, t.total - t.base, \
         {columns} FROM {table} t"
    );
    let mut of_row = |row: &rusqlite::Row<'_>| {
        let mut c = Columns::of(row);
        let boot = part.boot(c.get()?)?;
        let who = (boot, c.workload()?);
        let (first, last): (BootTime, BootTime) = (c.time()?, c.time()?);
        let (first, last) = (clocks.wall(boot, first), clocks.wall(boot, last));
        let count = c.unsigned()?;
        if count == 0 || question.until.is_some_and(|until| first >= until) {
            return Ok(());
        }
        let span = Span { first, last, count, latest: count };
        take(Common { boot, workload: numbers.workload(who), span }, &mut c)
    };
    let Some(wanted) = &question.workloads else {
        let mut statement = part.conn.prepare(&select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            of_row(row)?;
        }
        return Ok(());
    };
    let narrowed = format!("{select} INDEXED BY {table}_by_workload WHERE t.boot = ?1 AND t.workload = ?2");
    let mut statement = part.conn.prepare(&narrowed)?;
    for (boot, workload) in wanted {
        let Some(number) = part.number(*boot) else { continue };
        let mut rows = statement.query(params![number, bits(workload.0)])?;
        while let Some(row) = rows.next()? {
            of_row(row)?;
        }
    }
    Ok(())
}

fn add<K: Hash + Eq, S: BuildHasher>(seen: &mut Seen<K, S>, key: K, span: Span) {
    seen.entry(key).and_modify(|known| *known = known.with(span)).or_insert(span);
}

fn together<K: Hash + Eq, S: BuildHasher + Default>(found: Vec<Seen<K, S>>) -> Seen<K, S> {
    let mut found = found.into_iter();
    let mut all = found.next().unwrap_or_default();
    for (key, span) in found.flatten() {
        add(&mut all, key, span);
    }
    all
}
