//! The closed segments, as the writer needs them: what a counter had already reached, and who a workload was.

use cofferdam_model::{BootId, BootTime, EventId, WorkloadId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::boot::number_of;
use super::place::Table;
use super::workload::Version;
use crate::Error;
use crate::codec::{Columns, bits};
use crate::db;
use crate::error::Doing;
use crate::segment::SegmentFile;

/// One closed segment; opened when it is first asked.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: SegmentFile,
    pub(super) bytes: u64,
    conn: Option<Connection>,
    /// It could not be read; asked no more.
    unreadable: bool,
}

impl Part {
    pub(super) fn of(file: SegmentFile) -> Self {
        Self { bytes: file.bytes(), file, conn: None, unreadable: false }
    }

    pub(super) fn conn(&mut self) -> Result<&mut Connection, Error> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                let conn = db::open_existing(&self.file.path)?;
                db::check_version(&conn, &self.file.path)?;
                conn
            }
        };
        Ok(self.conn.insert(conn))
    }

    /// Gives the connection's memory back until the segment is asked again.
    pub(super) fn rest(&mut self) {
        self.conn = None;
        self.bytes = self.file.bytes();
    }
}

/// Where a counter stood in an earlier segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) total: u64,
    pub(super) last: BootTime,
}

/// All closed segments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) parts: Vec<Part>,
    /// Why some could not be read, to be told.
    pub(super) trouble: Vec<Error>,
}

impl Earlier {
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// What the newest earlier row of this counter says.
    pub(super) fn counted(&mut self, table: Table, boot: &BootId, id: EventId) -> Option<Counted> {
        self.newest(|conn| {
            let Some(number) = number_of(conn, boot)? else { return Ok(None) };
            conn.prepare_cached(table.reached())?
                .query_row(params![number, bits(id.0)], |row| {
                    let mut c = Columns::of(row);
                    Ok(Counted { total: c.unsigned()?, last: c.time()? })
                })
                .optional()
        })
    }

    /// The newest version of a workload that an earlier segment knows.
    pub(super) fn workload(&mut self, boot: &BootId, workload: WorkloadId) -> Option<Version> {
        self.newest(|conn| {
            let Some(number) = number_of(conn, boot)? else { return Ok(None) };
            Ok(Version::latest(conn, number, workload)?.filter(|version| version.name.is_some()))
        })
    }

    /// Asks the segments, newest first. One that cannot be read is left out from then on, and told.
    fn newest<T>(&mut self, ask: impl Fn(&Connection) -> rusqlite::Result<Option<T>>) -> Option<T> {
        for part in self.parts.iter_mut().rev().filter(|part| !part.unreadable) {
            let path = part.file.path.clone();
            let answer = part.conn().and_then(|conn| ask(conn).doing("look up an earlier row", &path));
            match answer {
                Ok(Some(found)) => return Some(found),
                Ok(None) => {}
                Err(error) => {
                    part.unreadable = true;
                    self.trouble.push(error);
                }
            }
        }
        None
    }
}
