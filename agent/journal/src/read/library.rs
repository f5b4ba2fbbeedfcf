//! All segments of a directory, opened for one question: a snapshot of each, and the boots that they tell of.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use cofferdam_model::{BootId, BootTime, Clock, WallTime, WorkloadId};
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use crate::Error;
use crate::codec::Columns;
use crate::db;
use crate::error::Doing;
use crate::segment::{self, SegmentFile};

/// A boot, by its place in [`Library::boots`].
pub(super) type BootIndex = usize;

/// A workload of some boot.
pub(super) type Who = (BootIndex, WorkloadId);

/// A boot and the relation of its clocks, as measured latest.
#[derive(Debug, Clone)]
pub(super) struct Boot {
    pub(super) id: BootId,
    pub(super) clock: Clock,
}

/// What a segment holds of a boot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holds {
    /// The boot's number in this segment.
    pub(super) number: i64,
    pub(super) range: Option<(BootTime, BootTime)>,
}

/// A segment, opened; what is read from it is one snapshot.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: SegmentFile,
    pub(super) conn: Connection,
    pub(super) boots: HashMap<BootIndex, Holds>,
    by_number: FxHashMap<i64, BootIndex>,
}

impl Part {
    /// Which boot a number in this segment stands for.
    pub(super) fn boot(&self, number: i64) -> rusqlite::Result<BootIndex> {
        self.by_number.get(&number).copied().ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    pub(super) fn number(&self, boot: BootIndex) -> Option<i64> {
        self.boots.get(&boot).map(|holds| holds.number)
    }
}

/// A segment that cannot be read, or was set aside.
#[derive(Debug)]
pub(super) struct Missing {
    /// When it was begun and when the next one was.
    pub(super) range: (WallTime, Option<WallTime>),
    /// What is wrong, as a sentence.
    pub(super) reason: String,
}

/// The boots' clocks: what of a library several threads may use.
#[derive(Debug)]
pub(super) struct Clocks<'l>(&'l [Boot]);

impl Clocks<'_> {
    /// The wall time of a moment of a boot.
    pub(super) fn wall(&self, boot: BootIndex, time: BootTime) -> WallTime {
        self.0.get(boot).map_or(WallTime::from_nanos(0), |boot| boot.clock.wall(time))
    }

    /// What a part holds, in wall time; `None` for one without rows.
    pub(super) fn range(&self, part: &Part) -> Option<(WallTime, WallTime)> {
        let ranges = part.boots.iter().filter_map(|(boot, holds)| {
            holds.range.map(|(since, until)| (self.wall(*boot, since), self.wall(*boot, until)))
        });
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// Everything that a question is asked of.
#[derive(Debug)]
pub(super) struct Library {
    /// Oldest first.
    pub(super) parts: Vec<Part>,
    pub(super) boots: Vec<Boot>,
    pub(super) missing: RefCell<Vec<Missing>>,
    /// Parts that failed while they were read; asked no more.
    failed: RefCell<HashSet<usize>>,
}

impl Library {
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let listing = segment::list(dir)?;
        if listing.segments.is_empty() && listing.set_aside.is_empty() {
            return Err(Error::NoJournal { dir: dir.to_owned() });
        }
        let mut library = Self {
            parts: Vec::new(),
            boots: Vec::new(),
            missing: RefCell::default(),
            failed: RefCell::default(),
        };
        let after = |file: &SegmentFile| {
            let all = listing.segments.iter().chain(&listing.set_aside);
            all.map(|other| other.opened).filter(|opened| *opened > file.opened).min()
        };
        for file in &listing.set_aside {
            library.missing.get_mut().push(Missing {
                range: (file.opened, after(file)),
                reason: format!("{} was set aside as corrupt: what it held is missing", file.name()),
            });
        }
        for file in &listing.segments {
            match library.open_part(file) {
                Ok(part) => library.parts.push(part),
                // Shed since the directory was listed: its coverage is gone as well, which tells.
                Err(_) if !file.path.exists() => {}
                Err(error) => library.missing.get_mut().push(Missing {
                    range: (file.opened, after(file)),
                    reason: format!("a segment could not be read: {error}"),
                }),
            }
        }
        Ok(library)
    }

    fn open_part(&mut self, file: &SegmentFile) -> Result<Part, Error> {
        let conn = db::open_to_read(file)?;
        let boots = read_boots(&conn).doing("read the boots", &file.path)?;
        let mut part =
            Part { file: file.clone(), conn, boots: HashMap::new(), by_number: FxHashMap::default() };
        for (boot, holds) in boots {
            let index = match self.boots.iter_mut().position(|known| known.id == boot.id) {
                Some(index) => {
                    self.boots[index].clock = boot.clock;
                    index
                }
                None => {
                    self.boots.push(boot);
                    self.boots.len() - 1
                }
            };
            part.by_number.insert(holds.number, index);
            part.boots.insert(index, holds);
        }
        Ok(part)
    }

    pub(super) fn clocks(&self) -> Clocks<'_> {
        Clocks(&self.boots)
    }

    /// The wall time of a moment of a boot.
    pub(super) fn wall(&self, boot: BootIndex, time: BootTime) -> WallTime {
        self.clocks().wall(boot, time)
    }

    /// What a part holds, in wall time; `None` for one without rows.
    pub(super) fn range(&self, part: &Part) -> Option<(WallTime, WallTime)> {
        self.clocks().range(part)
    }

    /// Segments that know a boot, oldest first, with their index and the boot's number there.
    pub(super) fn knowing(&self, boot: BootIndex) -> impl DoubleEndedIterator<Item = (usize, i64)> {
        let numbers = self.parts.iter().enumerate();
        numbers.filter_map(move |(index, part)| Some((index, part.number(boot)?)))
    }

    /// Asks one segment. One that fails is left out from then on and makes the answer incomplete; the others go on.
    pub(super) fn ask<T>(&self, index: usize, ask: impl FnOnce(&Part) -> rusqlite::Result<T>) -> Option<T> {
        let part = self.parts.get(index)?;
        if self.failed.borrow().contains(&index) {
            return None;
        }
        ask(part).map_err(|error| self.fail(index, &error)).ok()
    }

    /// Asks all segments, each on whichever thread is free; the answers come in the order of the segments.
    pub(super) fn ask_all<T: Send>(
        &mut self,
        ask: impl Fn(&Clocks<'_>, usize, &Part) -> rusqlite::Result<T> + Sync,
    ) -> Vec<T> {
        let failed = self.failed.get_mut().clone();
        let clocks = Clocks(&self.boots);
        let parts = self.parts.iter_mut().enumerate().filter(|(index, _)| !failed.contains(index));
        let waiting = Mutex::new(parts);
        let work = || {
            let mut answers = Vec::new();
            // Whoever holds the lock only takes the next part: it cannot be poisoned.
            while let Some((index, part)) = waiting.lock().ok().and_then(|mut waiting| waiting.next()) {
                answers.push((index, ask(&clocks, index, part)));
            }
            answers
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut answers: Vec<(usize, rusqlite::Result<T>)> = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let joined =
                others.into_iter().flat_map(|it| it.join().unwrap_or_else(|panic| resume_unwind(panic)));
            own.into_iter().chain(joined).collect()
        });
        answers.sort_by_key(|(index, _)| *index);
        let told = answers
            .into_iter()
            .filter_map(|(index, answer)| answer.map_err(|error| self.fail(index, &error)).ok());
        told.collect()
    }

    fn fail(&self, index: usize, error: &rusqlite::Error) {
        let Some(part) = self.parts.get(index) else { return };
        self.failed.borrow_mut().insert(index);
        let next = self.parts.get(index + 1).map(|next| next.file.opened);
        self.missing.borrow_mut().push(Missing {
            range: (part.file.opened, next),
            reason: format!("a segment could not be read: {}: {error}", part.file.path.display()),
        });
    }
}

fn read_boots(conn: &Connection) -> rusqlite::Result<Vec<(Boot, Holds)>> {
    // One transaction until the connection is dropped: everything that is read from the segment fits together.
    conn.execute_batch("BEGIN")?;
    let mut statement = conn.prepare(
        "SELECT boot, boot_id, booted_ns, oldest_boot_ns, newest_boot_ns FROM boots ORDER BY boot",
    )?;
    let boots = statement.query_map([], |row| {
        let mut c = Columns::of(row);
        let number = c.get()?;
        let boot = Boot { id: c.word()?, clock: Clock { booted: WallTime::from_nanos(c.get()?) } };
        Ok((boot, Holds { number, range: c.opt_time()?.zip(c.opt_time()?) }))
    })?;
    boots.collect()
}
