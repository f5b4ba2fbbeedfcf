//! What can go wrong, said so that the reader knows what to do.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_model::ParseIdError;
use rusqlite::ErrorCode;

/// Why the journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("cannot {doing} in {}: {source}", path.display())]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The segment.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// A segment's log cannot be read where nothing can be written.
    #[error(
        "{} has a write-ahead log that cannot be read on a medium that is read-only ({source}): \
         copy the journal's directory to one that can be written",
        path.display()
    )]
    ReadOnlyMedium {
        /// The segment.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A segment was written by a newer version.
    #[error(
        "{} has schema {found}, but this cofferdam knows schemas up to {known}: \
         use the newer cofferdam, or move the file out of the journal's directory",
        path.display()
    )]
    NewerSchema {
        /// The segment.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// A file by the name of a segment that is none.
    #[error("{} is not a segment of a Cofferdam journal: move it out of the journal's directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes this journal.
    #[error("another agent writes the journal in {}: stop it, or give this one its own --state-dir", dir.display())]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// No journal there.
    #[error(
        "there is no journal in {}: expected files journal-*.sqlite (an agent keeps them in STATE_DIR/journal)",
        dir.display()
    )]
    NoJournal {
        /// The directory that was given.
        dir: PathBuf,
    },
    /// No room on the disk, and nothing left to give up.
    #[error(
        "the disk of {} is full and the journal has nothing left to shed: free space there, or lower journal.max_size",
        dir.display()
    )]
    DiskFull {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// A bound that cannot work.
    #[error("journal.{field} is {given} {unit}: at least {least} are needed")]
    Bound {
        /// The field of the configuration.
        field: &'static str,
        /// What was given.
        given: u64,
        /// The least.
        least: u64,
        /// Unit of both.
        unit: &'static str,
    },
    /// A text that is no id of a row.
    #[error(transparent)]
    RowId(#[from] ParseIdError),
}

/// What an error asks the writer to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Make room and try again.
    Full,
    /// Set the file aside and go on in a new one.
    Corrupt,
    /// Tell the caller.
    Other,
}

impl Error {
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::Sqlite { source, .. } => trouble(source),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Trouble::Full,
            _ => Trouble::Other,
        }
    }
}

/// What an error of SQLite asks the writer to do.
pub(crate) fn trouble(error: &rusqlite::Error) -> Trouble {
    // SQLite maps ENOSPC on write to SQLITE_FULL; on growing the shared-memory file or on fsync it stays an I/O error.
    const SQLITE_IOERR_FSYNC: i32 = 10 | 4 << 8;
    const SQLITE_IOERR_TRUNCATE: i32 = 10 | 6 << 8;
    const SQLITE_IOERR_SHMSIZE: i32 = 10 | 19 << 8;
    match error.sqlite_error() {
        Some(e) if e.code == ErrorCode::DiskFull => Trouble::Full,
        Some(e)
            if matches!(
                e.extended_code,
                SQLITE_IOERR_FSYNC | SQLITE_IOERR_TRUNCATE | SQLITE_IOERR_SHMSIZE
            ) =>
        {
            Trouble::Full
        }
        Some(e) if matches!(e.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Corrupt,
        _ => Trouble::Other,
    }
}

/// Says what was being done to which file.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Sqlite { doing, path: path.to_owned(), source })
    }
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing, path: path.to_owned(), source })
    }
}
