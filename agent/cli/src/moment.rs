//! Times as people write them, and as they are shown.

use std::str::FromStr;
use std::time::Duration;

use cofferdam_model::WallTime;
use jiff::civil;
use jiff::tz::TimeZone;

/// A time as it is given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A point in time.
    At(WallTime),
    /// This long ago.
    Ago(Duration),
}

impl Moment {
    /// The point in time that it means.
    pub(crate) fn resolve(self, now: WallTime) -> WallTime {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.before(duration),
        }
    }
}

/// Not a time.
#[derive(Debug, thiserror::Error)]
#[error(
    "give how long ago (90s, 15m, 2h, 7d, 1h30m), RFC 3339 (2026-11-22T05:00:00Z), or UTC as it is shown \
     (2026-11-22 05:00)"
)]
pub(crate) struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        let text = text.trim();
        if text == "now" {
            return Ok(Self::Ago(Duration::ZERO));
        }
        if let Some(duration) = ago(text) {
            return Ok(Self::Ago(duration));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        // What the tables show is UTC without saying so each time; it can be pasted back.
        let civil: civil::DateTime = text.parse().map_err(|_| NoMoment)?;
        let time = civil.to_zoned(TimeZone::UTC).map_err(|_| NoMoment)?;
        Ok(Self::At(time.timestamp().into()))
    }
}

/// Not a length of time.
#[derive(Debug, thiserror::Error)]
#[error("give how long: 90s, 15m, 2h, 7d, 1h30m")]
pub(crate) struct NoDuration;

/// How long, as it is given on the command line; not nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, NoDuration> {
    ago(text.trim()).filter(|duration| !duration.is_zero()).ok_or(NoDuration)
}

/// `90s`, `15m`, `2h`, `7d`, `1w`, and sums of them.
fn ago(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(Duration::from_secs(number.checked_mul(seconds)?))?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(total)
}

/// `2026-11-22 05:00:00.123`, UTC: to the millisecond, as other logs have it.
pub(crate) fn to_millis(time: WallTime) -> String {
    shown(time, 23)
}

/// `2026-11-22 05:00:00`, UTC.
pub(crate) fn to_seconds(time: WallTime) -> String {
    shown(time, 19)
}

fn shown(time: WallTime, length: usize) -> String {
    let text = time.to_string();
    match text.get(..length) {
        Some(beginning) => beginning.replacen('T', " ", 1),
        None => text,
    }
}

/// How long, from `earlier` to `later`; zero if it is not later.
pub(crate) fn between(earlier: WallTime, later: WallTime) -> Duration {
    Duration::from_nanos(u64::try_from(later.as_nanos().saturating_sub(earlier.as_nanos())).unwrap_or(0))
}

/// `1.204s`, `3m07s`, `2h05m`, `4d11h`: the two units that matter.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}.{:03}s", duration.subsec_millis()),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `0:01.204`, `3:07.000`, `2:05:00.000`: to the millisecond however long, so that what came close together can be
/// told apart.
pub(crate) fn offset(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}.{millis:03}")
    } else {
        format!("{minutes}:{seconds:02}.{millis:03}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> String {
        let now: WallTime = "2026-11-22T05:00:00Z".parse().unwrap();
        match text.parse::<Moment>() {
            Ok(moment) => to_seconds(moment.resolve(now)),
            Err(error) => format!("refused: {error}").chars().take(7).collect(),
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("15m", "2026-11-22 04:45:00"),
            ("2h", "2026-11-22 03:00:00"),
            ("7d", "2026-11-15 05:00:00"),
            ("1w", "2026-11-15 05:00:00"),
            ("1h30m", "2026-11-22 03:30:00"),
            ("now", "2026-11-22 05:00:00"),
            ("2026-11-22T05:00:00+01:00", "2026-11-22 04:00:00"),
            ("2026-11-22T04:00:00.123456789Z", "2026-11-22 04:00:00"),
            ("2026-11-22 04:30", "2026-11-22 04:30:00"),
            ("2026-11-22 04:30:01.5", "2026-11-22 04:30:01"),
            ("2026-11-22", "2026-11-22 00:00:00"),
            ("", "refused"),
            ("15", "refused"),
            ("m", "refused"),
            ("15x", "refused"),
            ("-15m", "refused"),
            ("99999999999999999999d", "refused"),
            ("9999999999999999d", "refused"),
            ("yesterday", "refused"),
        ] {
            assert_eq!(resolved(text), expected, "{text}");
        }
    }

    #[test]
    fn a_length_of_time_is_not_nothing() {
        assert_eq!(duration("1h30m").ok(), Some(Duration::from_secs(5_400)));
        for text in ["", "0s", "5", "-5m", "2026-11-22"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_show_the_two_units_that_matter() {
        let spans =
            [0, 1_204, 59_999, 60_000, 187_000, 7_500_000, 385_200_000].map(Duration::from_millis).map(span);
        let offsets = [0, 1_204, 187_000, 7_500_001, 385_200_000].map(Duration::from_millis).map(offset);
        assert_eq!(offsets, ["0:00.000", "0:01.204", "3:07.000", "2:05:00.001", "107:00:00.000"]);
        assert_eq!(spans, ["0.000s", "1.204s", "59.999s", "1m00s", "3m07s", "2h05m", "4d11h"]);
    }
}
