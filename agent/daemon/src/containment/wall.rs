//! The wall clock by which exceptions expire: steps may only shorten them.

use std::fs;
use std::path::Path;

use cofferdam_model::{BootTime, Clock, WallTime};

use super::disk::write_whole;
use super::ending::Moment;

/// The latest moment that an agent has seen, in the state folder.
const PASSED: &str = "passed";

/// The latest moment that is known to have passed.
pub fn passed(state: &Path) -> Option<WallTime> {
    fs::read_to_string(state.join(PASSED)).ok()?.trim().parse().ok()
}

/// Notes that this moment has passed.
pub fn note(state: &Path, now: WallTime) {
    if let Err(error) = write_whole(&state.join(PASSED), now.to_string().as_bytes()) {
        tracing::error!("after a reboot a clock that stands behind is believed: {error:#}");
    }
}

/// A moment as people are told it.
pub fn to_second(time: WallTime) -> String {
    let text = time.to_string().replace('T', " ");
    format!("{} UTC", text.split('.').next().unwrap_or(&text))
}

/// The latest wall clock that was ever believed.
#[derive(Debug, Clone, Copy)]
pub struct Wall {
    clock: Clock,
}

impl Wall {
    /// From both clocks now, and the latest moment that is known to have passed: a clock that stands before it is wrong.
    pub fn new(wall: WallTime, now: BootTime, passed: Option<WallTime>) -> Self {
        let wall = passed.map_or(wall, |passed| passed.max(wall));
        Self { clock: Clock::from_readings(wall, now) }
    }

    /// The clock was read again: one that was set back is not believed.
    pub fn read(&mut self, wall: WallTime, now: BootTime) {
        let clock = Clock::from_readings(wall, now);
        if clock.booted > self.clock.booted {
            self.clock = clock;
        }
    }

    /// The relation of the clocks.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The moment.
    pub fn now(&self, now: BootTime) -> WallTime {
        self.clock.wall(now)
    }

    /// The moment by both clocks.
    pub fn moment(&self, now: BootTime) -> Moment {
        Moment { wall: self.now(now), boot: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(text: &str) -> WallTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_that_is_set_back_renews_nothing_and_one_set_forward_shortens() {
        let second = |seconds: u64| BootTime::from_nanos(seconds * 1_000_000_000);
        let mut clock = Wall::new(wall("2026-11-22T10:00:00Z"), second(100), None);
        clock.read(wall("2026-11-22T09:00:00Z"), second(101));
        assert_eq!(clock.now(second(101)), wall("2026-11-22T10:00:01Z"));
        clock.read(wall("2026-11-22T12:00:00Z"), second(102));
        assert_eq!(clock.now(second(103)), wall("2026-11-22T12:00:01Z"));
    }

    #[test]
    fn after_a_reboot_a_clock_behind_what_has_passed_is_not_believed() {
        let passed = wall("2026-11-22T10:00:00Z");
        let clock = Wall::new(wall("1970-01-01T00:00:10Z"), BootTime::from_nanos(0), Some(passed));
        assert_eq!(clock.now(BootTime::from_nanos(0)), passed);
    }
}
