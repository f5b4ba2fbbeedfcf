//! What the journal tells its caller beside "done".

use std::fmt;
use std::path::PathBuf;

use cofferdam_model::WallTime;

/// A batch is in the journal: a kill of the agent cannot take it back.
#[derive(Debug, Default)]
pub struct Committed {
    /// Records of the batch.
    pub records: usize,
    /// What else happened since the last commit: to be logged and counted.
    pub notices: Vec<Notice>,
}

/// Why rows were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShedCause {
    /// `max_size` was reached.
    Size,
    /// `max_size` was reached and the workload was over its quota.
    Quota,
    /// The disk is full.
    DiskFull,
}

impl fmt::Display for ShedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "journal.max_size is reached",
            Self::Quota => "journal.max_size is reached and the workload is over its quota",
            Self::DiskFull => "the disk is full",
        })
    }
}

/// Something that an operator should know of.
#[derive(Debug)]
pub enum Notice {
    /// Rows were given up; the journal itself records it as a loss.
    Shed {
        /// Why.
        cause: ShedCause,
        /// File name of the segment.
        segment: String,
        /// Stable name of the workload, when only its rows went.
        workload: Option<String>,
        /// Accesses, connections, attempts, process starts and acts of enforcement.
        events: u64,
    },
    /// A segment became older than `retain` and was removed.
    Expired {
        /// File name of the segment.
        segment: String,
    },
    /// A segment was corrupt and was set aside; a new one was begun.
    SetAside {
        /// Where it is now.
        path: PathBuf,
        /// What was wrong with it.
        error: crate::Error,
    },
    /// Somebody has removed the segment that was being written; a new one was begun.
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// Something failed that did not stop the journal.
    Trouble(crate::Error),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shed { cause, segment, workload: None, events } => {
                write!(f, "journal: gave up {events} events of {segment}, because {cause}")
            }
            Self::Shed { cause, segment, workload: Some(workload), events } => {
                write!(f, "journal: gave up {events} events of {workload} in {segment}, because {cause}")
            }
            Self::Expired { segment } => write!(f, "journal: removed {segment}, older than journal.retain"),
            Self::SetAside { path, error } => {
                write!(
                    f,
                    "journal: set a corrupt segment aside as {} and went on in a new one: {error}",
                    path.display()
                )
            }
            Self::Gone { path } => {
                write!(f, "journal: {} was removed by somebody; went on in a new segment", path.display())
            }
            Self::Trouble(error) => write!(f, "journal: {error}"),
        }
    }
}

/// How the journal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Segments, the one being written included.
    pub segments: usize,
    /// Bytes on disk of everything.
    pub bytes: u64,
    /// The bound on them.
    pub max_size: u64,
    /// When the oldest segment was begun.
    pub since: WallTime,
    /// Events given up since the journal was opened, by size, quota or a full disk.
    pub shed: u64,
    /// Files that were set aside as corrupt.
    pub set_aside: Vec<PathBuf>,
}
