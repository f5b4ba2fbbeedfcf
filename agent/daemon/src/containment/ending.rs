//! When orders and unconfirmed policies end: by the clock that counts since boot, which nobody can set. A wall clock that
//! leaps forward ends exceptions, but lifts nothing that contains.

use std::time::Duration;

use cofferdam_model::{BootId, BootTime, WallTime};
use serde::{Deserialize, Serialize};

/// One moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// As people say it.
    pub wall: WallTime,
    /// Since boot.
    pub boot: BootTime,
}

/// When something ends, in this boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    boot: BootId,
    at: BootTime,
}

impl Ending {
    /// The end of what holds from `now` until then.
    pub fn new(until: WallTime, boot: &BootId, now: Moment) -> Self {
        Self { boot: boot.clone(), at: after(now.boot, between(now.wall, until)) }
    }

    /// The end of what an agent before has begun, as it noted it in the same boot. After a reboot the wall clock alone
    /// can say how much is left; never more than the whole.
    pub fn resumed(
        noted: Option<&Self>,
        since: WallTime,
        until: WallTime,
        boot: &BootId,
        now: Moment,
    ) -> Self {
        if let Some(noted) = noted.filter(|noted| noted.boot == *boot) {
            return noted.clone();
        }
        let left = between(now.wall, until).min(between(since, until));
        Self { boot: boot.clone(), at: after(now.boot, left) }
    }

    /// The moment.
    pub fn at(&self) -> BootTime {
        self.at
    }
}

fn between(since: WallTime, until: WallTime) -> Duration {
    Duration::from_nanos(u64::try_from(until.as_nanos().saturating_sub(since.as_nanos())).unwrap_or(0))
}

fn after(start: BootTime, lasting: Duration) -> BootTime {
    let lasting = u64::try_from(lasting.as_nanos()).unwrap_or(u64::MAX);
    BootTime::from_nanos(start.as_nanos().saturating_add(lasting))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn moment(wall: &str, seconds: u64) -> Moment {
        Moment { wall: wall.parse().unwrap(), boot: BootTime::from_nanos(seconds * SECOND) }
    }

    fn boot(last: char) -> BootId {
        format!("2c2e4c1e-2c52-4b1f-9d6f-6f0d3e1b2a0{last}").parse().unwrap()
    }

    /// When an order of an hour, given ten minutes after the boot, ends for an agent that starts at a moment.
    fn ends(by: &BootId, now: Moment) -> u64 {
        let (since, until) =
            ("2026-11-22T10:00:00Z".parse().unwrap(), "2026-11-22T11:00:00Z".parse().unwrap());
        let noted = Ending::new(until, &boot('1'), moment("2026-11-22T10:00:00Z", 600));
        assert_eq!(noted.at().as_nanos(), (600 + 3_600) * SECOND);
        Ending::resumed(Some(&noted), since, until, by, now).at().as_nanos() / SECOND
    }

    #[test]
    fn within_a_boot_no_wall_clock_moves_an_end() {
        for wall in ["2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-11-22T10:30:00Z"] {
            assert_eq!(ends(&boot('1'), moment(wall, 1_200)), 4_200);
        }
    }

    #[test]
    fn after_a_reboot_the_wall_clock_says_what_is_left_but_never_more_than_the_whole() {
        assert_eq!(ends(&boot('2'), moment("2026-11-22T10:45:00Z", 5)), 5 + 900);
        assert_eq!(ends(&boot('2'), moment("1970-01-01T00:00:00Z", 5)), 5 + 3_600);
        assert_eq!(ends(&boot('2'), moment("2026-11-22T12:00:00Z", 5)), 5);
    }
}
