//! What bounds the journal.

use std::time::Duration;

use cofferdam_model::WallTime;

use crate::Error;

/// The smallest `max_size` that leaves room for segments worth having.
pub const MIN_SIZE: u64 = 8 << 20;

/// A segment is checked in full when the agent starts, and is lost as a whole when it is damaged.
const LARGEST_SEGMENT: u64 = 256 << 20;

/// Segments that `retain` is spread over at most.
const MOST_SEGMENTS: u32 = 64;

/// The bounds of a journal. Each has a default; what they shed is told in [`crate::Committed::notices`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Segments that ended longer ago (wall clock) are removed. Default: 7 days.
    pub retain: Duration,
    /// Bytes on disk of everything in the directory, write-ahead logs included. It may be exceeded by one batch
    /// and while rows of a workload over its quota are being removed. Default: 1 GiB; at least [`MIN_SIZE`].
    pub max_size: u64,
    /// A segment is closed when it is this old (wall clock) or holds an eighth of `max_size` or
    /// 256 MiB. Default: 1 day;
    /// a 64th of `retain` at least.
    pub segment_span: Duration,
    /// What one workload (all instances of one stable name) may take up, in bytes, before its rows are the first to go
    /// when `max_size` is reached. Default: a quarter of `max_size`.
    pub workload_quota: Option<u64>,
    /// The wall clock; replaced in tests.
    pub wall_clock: fn() -> WallTime,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retain: Duration::from_hours(7 * 24),
            max_size: 1 << 30,
            segment_span: Duration::from_hours(24),
            workload_quota: None,
            wall_clock: WallTime::now,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.max_size < MIN_SIZE {
            return Err(Error::Bound {
                field: "max_size",
                given: self.max_size,
                least: MIN_SIZE,
                unit: "bytes",
            });
        }
        for (field, value) in [("retain", self.retain), ("segment_span", self.segment_span)] {
            if value < Duration::from_secs(1) {
                return Err(Error::Bound { field, given: value.as_secs(), least: 1, unit: "seconds" });
            }
        }
        Ok(())
    }

    /// Not so short that `retain` would be spread over too many files: each question opens all of them.
    pub(crate) fn segment_span(&self) -> Duration {
        self.segment_span.max(self.retain / MOST_SEGMENTS)
    }

    pub(crate) fn segment_size(&self) -> u64 {
        (self.max_size / 8).min(LARGEST_SEGMENT)
    }

    pub(crate) fn quota(&self) -> u64 {
        self.workload_quota.unwrap_or(self.max_size / 4)
    }
}
