//! Opening a journal to write: the lock, what a dead agent left, and the newest segment.

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use cofferdam_model::WallTime;

use super::earlier::{Earlier, Part};
use super::intern::Interns;
use super::journal::{Current, Journal};
use super::quota::Plan;
use super::reserve::Reserve;
use super::roll;
use super::told::Notice;
use super::usage::Usage;
use crate::error::{Doing, Trouble};
use crate::segment::{self, SegmentFile, remove_database};
use crate::{Config, Error, db};

impl Journal {
    /// Opens the journal in `dir`, which is made if it is not there (readable by its owner only).
    ///
    /// The newest segment is checked in full; if it is corrupt it is set aside and a new one begun, which the first
    /// [`crate::Committed`] tells.
    ///
    /// # Errors
    /// When another process writes there, a segment was written by a newer version, or the disk refuses.
    pub fn open(dir: impl AsRef<Path>, config: Config) -> Result<Self, Error> {
        config.check()?;
        let dir = dir.as_ref();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .doing("make the journal's directory", dir)?;
        let lock = lock(dir)?;
        let listing = segment::list(dir)?;
        for path in &listing.unfinished {
            remove_database(path).doing("remove an unfinished segment", path)?;
        }
        let mut files = listing.segments;
        let mut set_aside = listing.set_aside;
        let mut notices = Vec::new();
        let now = (config.wall_clock)();

        // What the newest is found to be decides; those before it only need to be of a known version. One of the
        // former schema is followed by a new one.
        let newest = files.pop_if(|newest| !db::is_former(newest));
        let resumed = newest.as_ref().map(|newest| resume(newest, &config));
        let current = match (newest, resumed) {
            (_, Some(Ok(current))) => current,
            (Some(newest), Some(Err(error))) if error.trouble() == Trouble::Corrupt => {
                let path = newest.set_aside(now)?;
                set_aside.push(SegmentFile { opened: newest.opened, path: path.clone() });
                notices.push(Notice::SetAside { path, error });
                begin(dir, &config, now, files.last(), set_aside.last(), &mut notices)?
            }
            (_, Some(Err(error))) => return Err(error),
            (_, None) => begin(dir, &config, now, files.last(), set_aside.last(), &mut notices)?,
        };
        let mut earlier = Earlier { parts: files.into_iter().map(Part::of).collect(), trouble: Vec::new() };
        for part in &mut earlier.parts {
            match settle(part) {
                Err(error @ (Error::NewerSchema { .. } | Error::Foreign { .. })) => return Err(error),
                Err(error) => notices.push(Notice::Trouble(error)),
                Ok(()) => {}
            }
        }
        let reserve = Reserve::of(dir, config.max_size);
        Ok(Self {
            dir: dir.to_owned(),
            config,
            current,
            earlier,
            set_aside,
            watching: None,
            plan: Plan::default(),
            own_losses: Vec::new(),
            notices,
            shed: 0,
            reserve,
            _lock: lock,
        })
    }
}

fn lock(dir: &Path) -> Result<fs::File, Error> {
    let path = dir.join("journal.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .doing("open the lock file", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(source).doing("lock", &path),
    }
}

/// Goes on in an existing segment.
fn resume(file: &SegmentFile, config: &Config) -> Result<Current, Error> {
    let conn = db::open_to_write(file, roll::checkpoint_pages(config))?;
    let checked = db::quick_check(&conn, &file.path)
        .and_then(|()| Usage::of(&conn).doing("count the rows", &file.path));
    match checked {
        Ok(usage) => Ok(Current { file: file.clone(), conn, interns: Interns::default(), usage }),
        Err(error) => {
            roll::leave_as_is(conn);
            Err(error)
        }
    }
}

/// Begins a segment, with what `previous` hands over. A damaged predecessor is told and left where it is.
pub(super) fn begin(
    dir: &Path,
    config: &Config,
    now: WallTime,
    previous: Option<&SegmentFile>,
    set_aside: Option<&SegmentFile>,
    notices: &mut Vec<Notice>,
) -> Result<Current, Error> {
    // Names sort by time whatever the wall clock does.
    let last = previous.into_iter().chain(set_aside).map(|file| file.opened).max();
    let opened = last.map_or(now, |last| now.max(WallTime::from_nanos(last.as_nanos().saturating_add(1))));
    let file = SegmentFile::at(dir, opened);
    let carried =
        previous.map_or(Ok(()), |previous| db::create(&file, |conn| roll::carry_over(conn, previous)));
    match (previous, carried) {
        (Some(_), Ok(())) => {}
        (Some(_), Err(error)) if error.trouble() == Trouble::Full => return Err(error),
        (Some(_), Err(error)) => {
            notices.push(Notice::Trouble(error));
            db::create(&file, |_| Ok(()))?;
        }
        (None, _) => db::create(&file, |_| Ok(()))?,
    }
    let conn = db::open_to_write(&file, roll::checkpoint_pages(config))?;
    let usage = Usage::of(&conn).doing("count the rows", &file.path)?;
    Ok(Current { file, conn, interns: Interns::default(), usage })
}

/// Finishes the closing of a segment that an agent left open when it died, or when it was of a former version.
fn settle(part: &mut Part) -> Result<(), Error> {
    let has_wal = part.file.has_wal();
    let path = part.file.path.clone();
    let conn = part.conn()?;
    let open =
        conn.prepare("SELECT 1 FROM segment WHERE closed_ns IS NULL").and_then(|mut open| open.exists([]));
    if has_wal || open.doing("read the journal segment", &path)? {
        roll::close(conn, None).doing("close the journal segment", &path)?;
    }
    part.rest();
    Ok(())
}
