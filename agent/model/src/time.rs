//! Two clocks, two types: the kernel stamps events since boot, people ask by the wall clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`, `bpf_ktime_get_boot_ns`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootTime(u64);

impl BootTime {
    /// From nanoseconds since boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds since 1970-01-01T00:00:00Z (`CLOCK_REALTIME`). Text form: RFC 3339, UTC, nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The wall clock now.
    pub fn now() -> Self {
        Self::from(Timestamp::now())
    }

    /// This much earlier.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl From<Timestamp> for WallTime {
    fn from(time: Timestamp) -> Self {
        Self(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => write!(f, "{time:.9}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl FromStr for WallTime {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>().map(Self::from)
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The relation of the two clocks: the wall time at which this boot began, as seen when it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The wall clock at time zero since boot.
    pub booted: WallTime,
}

impl Clock {
    /// From both clocks read at the same moment.
    pub fn from_readings(wall: WallTime, boot: BootTime) -> Self {
        let nanos = i64::try_from(boot.as_nanos()).unwrap_or(i64::MAX);
        Self { booted: WallTime(wall.0.saturating_sub(nanos)) }
    }

    /// The wall time of a moment since boot.
    pub fn wall(self, time: BootTime) -> WallTime {
        WallTime(self.booted.0.saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The moment since boot of a wall time; zero if it was before.
    pub fn boot(self, time: WallTime) -> BootTime {
        BootTime(u64::try_from(time.0.saturating_sub(self.booted.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_are_written_in_utc_with_nanoseconds() {
        let time: WallTime = "2026-11-22T06:00:00.5+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-22T05:00:00.500000000Z");
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-22T05:00:00.500000000Z\"");
    }

    #[test]
    fn a_boot_time_maps_to_the_wall_clock_it_was_measured_against() {
        let clock = Clock::from_readings(WallTime::from_nanos(1_000), BootTime::from_nanos(400));
        assert_eq!(clock.wall(BootTime::from_nanos(500)), WallTime::from_nanos(1_100));
        assert_eq!(clock.boot(WallTime::from_nanos(1_100)), BootTime::from_nanos(500));
        assert_eq!(clock.boot(WallTime::from_nanos(1)), BootTime::from_nanos(0));
    }
}
