//! The writer's face, and the loop that gets a batch in whatever the disk does.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use cofferdam_model::{BootId, BootTime, Clock, Loss, Record, WallTime};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::batch::{Batch, put_loss};
use super::boot::BootRow;
use super::coverage::Watching;
use super::earlier::Earlier;
use super::intern::Interns;
use super::quota::Plan;
use super::reserve::Reserve;
use super::told::{Committed, Notice, Status};
use super::usage::Usage;
use crate::error::{Doing, Trouble};
use crate::segment::{SegmentFile, remove_database};
use crate::{Config, Error, db};

/// How often a commit is tried anew after room was made or a corrupt file was set aside.
const ATTEMPTS: u32 = 40;

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) file: SegmentFile,
    pub(super) conn: Connection,
    pub(super) interns: Interns,
    pub(super) usage: Usage,
}

/// A loss that is to be written with the next commit.
#[derive(Debug)]
pub(super) struct OwnLoss {
    pub(super) boot: BootId,
    pub(super) clock: Clock,
    pub(super) loss: Loss,
}

/// The writer of a journal. There is one per directory, which a lock file sees to.
#[derive(Debug)]
pub struct Journal {
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    pub(super) current: Current,
    pub(super) earlier: Earlier,
    pub(super) set_aside: Vec<SegmentFile>,
    pub(super) watching: Option<Watching>,
    pub(super) plan: Plan,
    pub(super) own_losses: Vec<OwnLoss>,
    pub(super) notices: Vec<Notice>,
    pub(super) shed: u64,
    pub(super) reserve: Reserve,
    pub(super) _lock: File,
}

impl Journal {
    /// Writes a batch in one transaction. When it returns, a kill of the agent cannot take it back.
    ///
    /// `clock` is the relation of both clocks as measured lately: the latest one of a boot is used for all times of
    /// that boot. An empty batch is a heartbeat. Everything up to now counts as seen; use [`Self::append_seen`] to say
    /// it more exactly.
    ///
    /// # Errors
    /// When the batch could not be written and nothing was left to shed: it is lost unless the caller tries again.
    pub fn append(&mut self, clock: &Clock, boot: &BootId, records: &[Record]) -> Result<Committed, Error> {
        let seen = self.boot_now(clock);
        self.append_seen(clock, boot, records, seen)
    }

    /// Like [`Self::append`]; `seen` is the time up to which the caller has drained the kernel, so that with this
    /// batch the journal holds everything before it (or its loss).
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_seen(
        &mut self,
        clock: &Clock,
        boot: &BootId,
        records: &[Record],
        seen: BootTime,
    ) -> Result<Committed, Error> {
        self.roll_if_due(records.len());
        self.commit(clock, boot, "write a batch", |batch, watching| {
            for record in records {
                batch.put(record)?;
            }
            if let Some(watching) = watching.as_mut().filter(|watching| watching.boot == batch.boot.id) {
                watching.advance(batch.conn, batch.boot.number, seen, None)?;
            }
            Ok(())
        })?;
        self.retain(records.len());
        Ok(Committed { records: records.len(), notices: std::mem::take(&mut self.notices) })
    }

    /// Says that from `since` on everything that these hooks see is, or will be, in the journal or counted as lost.
    /// To be called when the agent is ready, and again when the set of hooks changes. Each commit carries it on.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn begin_coverage(
        &mut self,
        clock: &Clock,
        boot: &BootId,
        since: BootTime,
        hooks: &[String],
    ) -> Result<(), Error> {
        self.commit(clock, boot, "note the attached hooks", |batch, watching| {
            let number = batch.boot.number;
            if let Some(mut before) = watching.take().filter(|before| before.boot == batch.boot.id) {
                before.advance(batch.conn, number, since, Some("the set of hooks changed"))?;
            }
            let boot = batch.boot.id.clone();
            let mut now = Watching { boot, hooks: hooks.to_vec(), until: since, run: None };
            now.advance(batch.conn, number, since, None)?;
            *watching = Some(now);
            Ok(())
        })
    }

    /// Up to when an earlier run of the agent has seen everything of this boot. An agent that takes over kernel tables
    /// which went on counting goes on from there.
    pub fn seen_until(&self, boot: &BootId) -> Option<BootTime> {
        let until: Option<i64> = self
            .current
            .conn
            .query_row(
                "SELECT max(c.until_boot_ns) FROM coverage c JOIN boots b ON b.boot = c.boot WHERE b.boot_id = ?1",
                [boot.as_str()],
                |row| row.get(0),
            )
            .ok()?;
        until.map(|nanos| BootTime::from_nanos(nanos.cast_unsigned()))
    }

    /// Says that after `until` nobody watches, and why ("stopped", "upgrade"). Without it the next run finds that the
    /// agent was killed.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn end_coverage(
        &mut self,
        clock: &Clock,
        boot: &BootId,
        until: BootTime,
        reason: &str,
    ) -> Result<(), Error> {
        self.commit(clock, boot, "note the detached hooks", |batch, watching| match watching.take() {
            Some(mut before) if before.boot == batch.boot.id => {
                before.advance(batch.conn, batch.boot.number, until, Some(reason))
            }
            _ => Ok(()),
        })
    }

    /// Looks at the current segment as a reader does: the writer goes by what it holds in memory, and would not notice
    /// that nobody can read the file any more. One that is damaged is set aside, one that was removed is replaced;
    /// the next [`Committed`] tells it. To be called now and then.
    ///
    /// # Errors
    /// When it cannot be looked at, or not be replaced.
    pub fn look_after(&mut self) -> Result<(), Error> {
        let Err(error) = db::glance(&self.current.file) else { return Ok(()) };
        let path = self.current.file.path.clone();
        if !path.exists() {
            // Its log must not be taken for that of a segment which gets the same name.
            remove_database(&path).doing("clear away what is left of the segment", &path)?;
            self.replace_corrupt(error)?;
            self.notices.push(Notice::Gone { path });
            return Ok(());
        }
        match error.trouble() {
            Trouble::Corrupt => self.replace_corrupt(error),
            _ => Err(error),
        }
    }

    /// How the journal is.
    pub fn status(&self) -> Status {
        Status {
            segments: self.earlier.parts.len() + 1,
            bytes: self.bytes(),
            max_size: self.config.max_size,
            since: self.earlier.parts.first().map_or(self.current.file.opened, |part| part.file.opened),
            shed: self.shed,
            set_aside: self.set_aside.iter().map(|file| file.path.clone()).collect(),
        }
    }

    pub(super) fn now(&self) -> WallTime {
        (self.config.wall_clock)()
    }

    fn boot_now(&self, clock: &Clock) -> BootTime {
        let since_boot = self.now().as_nanos().saturating_sub(clock.booted.as_nanos());
        BootTime::from_nanos(u64::try_from(since_boot).unwrap_or(0))
    }

    /// Bytes on disk of everything.
    pub(super) fn bytes(&self) -> u64 {
        let aside: u64 = self.set_aside.iter().map(SegmentFile::bytes).sum();
        self.current.file.bytes() + self.earlier.bytes() + aside + self.reserve.bytes()
    }

    /// Runs `work` in a transaction of the current segment until it is committed or nothing more can be done.
    fn commit(
        &mut self,
        clock: &Clock,
        boot: &BootId,
        doing: &'static str,
        work: impl Fn(&mut Batch<'_>, &mut Option<Watching>) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let mut attempt = 0;
        loop {
            let mut watching = self.watching.clone();
            let result = self.transact(clock, boot, &mut watching, &work);
            match result.doing(doing, &self.current.file.path) {
                Ok(()) => {
                    self.watching = watching;
                    return Ok(());
                }
                Err(error) => {
                    self.current.interns.forget();
                    attempt += 1;
                    match error.trouble() {
                        Trouble::Full if attempt < ATTEMPTS => self.make_room(attempt)?,
                        Trouble::Corrupt if attempt < ATTEMPTS => self.replace_corrupt(error)?,
                        _ => return Err(error),
                    }
                }
            }
        }
    }

    fn transact(
        &mut self,
        clock: &Clock,
        boot: &BootId,
        watching: &mut Option<Watching>,
        work: impl Fn(&mut Batch<'_>, &mut Option<Watching>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let now = self.boot_now(clock);
        let Current { conn, interns, usage, .. } = &mut self.current;
        let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        for own in &self.own_losses {
            let number = BootRow::mention(&tx, &own.boot, &own.clock)?;
            put_loss(&tx, number, &own.loss)?;
        }
        let mut batch = Batch {
            conn: &tx,
            boot: BootRow::find(&tx, boot, clock)?,
            now,
            interns,
            earlier: &mut self.earlier,
            usage,
            added: HashMap::new(),
        };
        work(&mut batch, watching)?;
        let Batch { boot, added, .. } = batch;
        boot.save(&tx)?;
        tx.commit()?;
        for (workload, used) in added {
            usage.add(boot.number, workload, used);
        }
        self.own_losses.clear();
        self.notices.extend(self.earlier.trouble.drain(..).map(Notice::Trouble));
        Ok(())
    }
}
