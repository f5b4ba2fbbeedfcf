//! The reader's face.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cofferdam_model::{
    AccessRow, Answer, AttemptRow, AuditRow, ConnectionRow, DetectionRow, EventId, Filter, LossRow,
    ParseIdError, ProcessRow, SecretRow, WorkloadRow,
};

use super::completeness::{RowsSay, answer, total};
use super::counter::{Body, count_unnamed, find, find_by_id};
use super::library::Library;
use super::names::Names;
use super::question::Question;
use super::{access, attempt, audit, connection, detection, loss, process, secret, workload};
use crate::{Error, segment};

/// The most rows of one kind that an answer holds, when the question sets no lower limit.
const MOST_ROWS: usize = 100_000;

/// Asks a journal: that of a running agent, or a copy of its directory. Never writes a row; holds no lock for longer
/// than one question. Cheap to keep, and may be used from several threads at once.
#[derive(Debug, Clone)]
pub struct Reader {
    dir: PathBuf,
    most_rows: usize,
}

/// What happened in some workloads: the same question asked of programs, accesses, connections, attempts, acts
/// and detections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Programs that ran, as nodes of the process tree.
    pub processes: Answer<ProcessRow>,
    /// Accesses to secrets.
    pub accesses: Answer<AccessRow>,
    /// Connections made.
    pub connections: Answer<ConnectionRow>,
    /// What else a rule decided.
    pub attempts: Answer<AttemptRow>,
    /// What enforcement did that concerned them.
    pub audits: Answer<AuditRow>,
    /// What rules have found.
    pub detections: Answer<DetectionRow>,
    /// What was lost meanwhile.
    pub losses: Vec<LossRow>,
}

/// What was refused, or would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denials {
    /// Accesses to secrets.
    pub accesses: Answer<AccessRow>,
    /// Connections.
    pub connections: Answer<ConnectionRow>,
    /// Everything else.
    pub attempts: Answer<AttemptRow>,
}

/// One row by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An access.
    Access(Box<AccessRow>),
    /// A connection.
    Connection(Box<ConnectionRow>),
    /// An attempt.
    Attempt(Box<AttemptRow>),
    /// A program.
    Process(Box<ProcessRow>),
    /// A detection.
    Detection(Box<DetectionRow>),
}

/// The id of a row: `<first 8 digits of the boot id>-<event id in hex>`; of a detection with `/<rule>` behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowId {
    boot: String,
    event: EventId,
    rule: Option<String>,
}

impl FromStr for RowId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (row, rule) =
            text.split_once('/').map_or((text, None), |(row, rule)| (row, Some(rule.to_owned())));
        let parts = row.split_once('-').filter(|(boot, event)| {
            let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
            boot.len() == 8 && hex(boot) && hex(event)
        });
        let event = parts.and_then(|(boot, event)| Some((boot, u64::from_str_radix(event, 16).ok()?)));
        match event {
            Some((boot, event)) => Ok(Self { boot: boot.to_owned(), event: EventId(event), rule }),
            None => Err(ParseIdError {
                text: text.chars().take(80).collect(),
                expected: "row id (8 hex digits of the boot id, a dash, the event id in hex; for a detection /rule)",
            }),
        }
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.boot, self.event.0)?;
        self.rule.as_ref().map_or(Ok(()), |rule| write!(f, "/{rule}"))
    }
}

impl Reader {
    /// A reader of the journal in `dir`.
    ///
    /// # Errors
    /// When there is no journal.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref().to_owned();
        if !dir.is_dir() {
            return Err(Error::NoJournal { dir });
        }
        let listing = segment::list(&dir)?;
        if listing.segments.is_empty() && listing.set_aside.is_empty() {
            return Err(Error::NoJournal { dir });
        }
        Ok(Self { dir, most_rows: MOST_ROWS })
    }

    /// Bounds the rows of an answer that sets no lower limit itself; the default is 100,000. An answer that this
    /// bound cuts short says so and is not complete.
    #[must_use]
    pub fn with_most_rows(self, most_rows: usize) -> Self {
        Self { most_rows, ..self }
    }

    /// Who touched which secret.
    ///
    /// # Errors
    /// When the directory cannot be read; a segment that cannot be read makes the answer incomplete instead.
    pub fn accesses(&self, filter: &Filter) -> Result<Answer<AccessRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        Ok(self.ask_accesses(&mut Names::of(&library), &question))
    }

    /// Who connected where. A filter by secret finds the connections of processes that had touched it.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn connections(&self, filter: &Filter) -> Result<Answer<ConnectionRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        Ok(self.ask_connections(&mut Names::of(&library), &question))
    }

    /// What else than accesses and connections a rule refused, would have, or let pass by an exception. A filter by
    /// secret finds none.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn attempts(&self, filter: &Filter) -> Result<Answer<AttemptRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        Ok(self.ask_attempts(&mut Names::of(&library), &question))
    }

    /// What was done to the enforcement, or by it. With a filter by workload, what concerned one that fits; filters
    /// by secret, binary and verdict do not narrow it.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn audits(&self, filter: &Filter) -> Result<Answer<AuditRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        Ok(self.ask_audits(&mut Names::of(&library), &question))
    }

    /// What rules have found. A filter by secret finds what is about it; one by verdict does not narrow it.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn detections(&self, filter: &Filter) -> Result<Answer<DetectionRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        Ok(self.ask_detections(&mut Names::of(&library), &question))
    }

    /// What was refused or would have been, from one snapshot. The filter's limit holds for each kind.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn denials(&self, filter: &Filter) -> Result<Denials, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter).about_denials();
        let mut names = Names::of(&library);
        Ok(Denials {
            accesses: self.ask_accesses(&mut names, &question),
            connections: self.ask_connections(&mut names, &question),
            attempts: self.ask_attempts(&mut names, &question),
        })
    }

    /// Which programs ran at some time of the range. Filters by secret and verdict do not narrow it.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn processes(&self, filter: &Filter) -> Result<Answer<ProcessRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        Ok(self.ask_processes(&mut Names::of(&library), &question))
    }

    /// Which workloads there were at some time of the range. Filters by secret, binary and verdict do not narrow it.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn workloads(&self, filter: &Filter) -> Result<Answer<WorkloadRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        let mut rows = workload::find(&mut Names::of(&library), &question);
        let left_out = keep_latest(&mut rows, self.bound(&question), &question);
        let unnamed = u64::try_from(question.unnamed.len()).unwrap_or(u64::MAX);
        let say = RowsSay { unknown_workloads: unnamed, left_out, ..RowsSay::default() };
        Ok(answer(&library, &question, rows, say))
    }

    /// Which secrets this node holds, who may see them and who has touched them. The accesses are those of the range;
    /// filters by binary and verdict do not narrow it.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn secrets(&self, filter: &Filter) -> Result<Answer<SecretRow>, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        let mut rows = secret::find(&mut Names::of(&library), &question);
        let left_out = keep_latest(&mut rows, self.bound(&question), &question);
        let unknown_workloads = secret::count_unnamed(&rows);
        let say = RowsSay { unknown_workloads, left_out, ..RowsSay::default() };
        Ok(answer(&library, &question, rows, say))
    }

    /// Programs, accesses, connections, attempts, acts, detections and losses of the workloads that fit, from one
    /// snapshot. The filter's limit holds for each but the losses.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn timeline(&self, filter: &Filter) -> Result<Timeline, Error> {
        let library = Library::open(&self.dir)?;
        let question = Question::resolve(&library, filter);
        let mut names = Names::of(&library);
        Ok(Timeline {
            processes: self.ask_processes(&mut names, &question),
            accesses: self.ask_accesses(&mut names, &question),
            connections: self.ask_connections(&mut names, &question),
            attempts: self.ask_attempts(&mut names, &question),
            audits: self.ask_audits(&mut names, &question),
            detections: self.ask_detections(&mut names, &question),
            losses: loss::find(&library, &question, question.since, question.until)
                .into_iter()
                .map(|lost| loss::explain(&mut names, lost))
                .collect(),
        })
    }

    /// The row with this id, put together from all segments; `None` if there is none.
    ///
    /// # Errors
    /// As [`Self::accesses`].
    pub fn entry(&self, id: &RowId) -> Result<Option<Entry>, Error> {
        let library = Library::open(&self.dir)?;
        let mut names = Names::of(&library);
        for (boot, known) in library.boots.iter().enumerate() {
            if !known.id.as_str().starts_with(&id.boot) {
                continue;
            }
            if let Some(rule) = &id.rule {
                match detection::by_id(&mut names, boot, id.event, rule) {
                    Some(row) => return Ok(Some(Entry::Detection(Box::new(row)))),
                    None => continue,
                }
            }
            if let Some(counter) = find_by_id(&library, boot, id.event) {
                return Ok(Some(Entry::Access(Box::new(access::explain(&mut names, &counter)))));
            }
            if let Some(counter) = find_by_id(&library, boot, id.event) {
                return Ok(Some(Entry::Connection(Box::new(connection::explain(&mut names, &counter)))));
            }
            if let Some(counter) = find_by_id(&library, boot, id.event) {
                return Ok(Some(Entry::Attempt(Box::new(attempt::explain(&mut names, &counter)))));
            }
            if let Some(row) = process::by_id(&mut names, boot, id.event) {
                return Ok(Some(Entry::Process(Box::new(row))));
            }
        }
        Ok(None)
    }

    /// One snapshot of all segments.
    pub(super) fn library(&self) -> Result<Library, Error> {
        Library::open(&self.dir)
    }

    fn ask_accesses(&self, names: &mut Names<'_>, question: &Question) -> Answer<AccessRow> {
        self.ask_counters(names, question, access::explain, |row| row.workload.is_none())
    }

    fn ask_connections(&self, names: &mut Names<'_>, question: &Question) -> Answer<ConnectionRow> {
        self.ask_counters(names, question, connection::explain, |row| row.workload.is_none())
    }

    fn ask_attempts(&self, names: &mut Names<'_>, question: &Question) -> Answer<AttemptRow> {
        self.ask_counters(names, question, attempt::explain, |row| row.workload.is_none())
    }

    fn ask_counters<B: Body, Row>(
        &self,
        names: &mut Names<'_>,
        question: &Question,
        explain: fn(&mut Names<'_>, &super::counter::Counter<B>) -> Row,
        nameless: fn(&Row) -> bool,
    ) -> Answer<Row> {
        let bound = self.bound(question);
        let found = find::<B>(names, question, question.workloads.as_ref(), bound);
        let without_process =
            total(found.rows.iter().filter(|row| row.process.is_none()).map(|row| row.count));
        let rows: Vec<Row> = found.rows.iter().map(|counter| explain(names, counter)).collect();
        let unknown_workloads = match question.workloads {
            // They may belong to the workloads that were asked for.
            Some(_) => count_unnamed::<B>(names, question),
            None => count(rows.iter().filter(|row| nameless(row))),
        };
        let left_out = (found.left_out && !limited(question, bound)).then_some(bound);
        answer(
            names.library,
            question,
            rows,
            RowsSay { unknown_workloads, without_process, left_out, are_programs: false },
        )
    }

    fn ask_processes(&self, names: &mut Names<'_>, question: &Question) -> Answer<ProcessRow> {
        let bound = self.bound(question);
        let found = process::find(names, question, question.workloads.as_ref(), bound);
        let rows: Vec<ProcessRow> = found.rows.iter().map(|ran| process::explain(names, ran)).collect();
        let unknown_workloads = match question.workloads {
            Some(_) => process::count_unnamed(names, question),
            None => count(rows.iter().filter(|row| row.workload.is_none())),
        };
        let left_out = (found.left_out && !limited(question, bound)).then_some(bound);
        let say = RowsSay { unknown_workloads, left_out, are_programs: true, ..RowsSay::default() };
        answer(names.library, question, rows, say)
    }

    fn ask_audits(&self, names: &mut Names<'_>, question: &Question) -> Answer<AuditRow> {
        let bound = self.bound(question);
        let found = audit::find(names, question, bound);
        let left_out = (found.left_out && !limited(question, bound)).then_some(bound);
        let rows = found.rows.into_iter().map(|act| audit::explain(names, act)).collect();
        answer(names.library, question, rows, RowsSay { left_out, ..RowsSay::default() })
    }

    fn ask_detections(&self, names: &mut Names<'_>, question: &Question) -> Answer<DetectionRow> {
        let bound = self.bound(question);
        let found = detection::find(names, question, bound);
        let left_out = (found.left_out && !limited(question, bound)).then_some(bound);
        let rows: Vec<DetectionRow> =
            found.rows.into_iter().map(|found| detection::explain(names, found)).collect();
        let unknown_workloads = count(rows.iter().filter(|row| row.workload.is_none()));
        answer(names.library, question, rows, RowsSay { unknown_workloads, left_out, ..RowsSay::default() })
    }

    fn bound(&self, question: &Question) -> usize {
        let asked = question.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        asked.min(self.most_rows)
    }
}

/// Whether the question's own limit is the bound.
fn limited(question: &Question, bound: usize) -> bool {
    question.limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| limit <= bound))
}

/// Keeps the last rows; says when it was our bound that cut and not the question's.
fn keep_latest<Row>(rows: &mut Vec<Row>, bound: usize, question: &Question) -> Option<usize> {
    let over = rows.len().saturating_sub(bound);
    rows.drain(..over);
    (over > 0 && !limited(question, bound)).then_some(bound)
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}
