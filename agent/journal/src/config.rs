//! What bounds the journal.

use std::time::Duration;

use cofferdam_model::WallTime;

use crate::Error;

/// The smallest `max_size` that leaves room for segments worth having.
pub const MIN_SIZE: u64 = 8 << 20;

/// The bounds of a journal. Each has a default; what they shed is told in [`crate::Committed::notices`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Segments that ended longer ago (wall clock) are removed. Default: 7 days.
    pub retain: Duration,
    /// Bytes on disk of everything in the directory, write-ahead logs included. It may be exceeded by one batch
    /// and while rows of a workload over its quota are being removed. Default: 1 GiB; at least [`MIN_SIZE`].
    pub max_size: u64,
    /// A segment is closed when it is this old (wall clock) or holds an eighth of `max_size`. Default: 1 day.
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

    pub(crate) fn segment_size(&self) -> u64 {
        self.max_size / 8
    }

    pub(crate) fn quota(&self) -> u64 {
        self.workload_quota.unwrap_or(self.max_size / 4)
    }
}
