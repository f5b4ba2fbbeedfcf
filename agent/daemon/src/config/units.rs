//! Durations and sizes as people write them.

use std::time::Duration;

/// `90s`, `30m`, `12h`, `7d`.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.trim().split_at(text.trim().find(|c: char| !c.is_ascii_digit())?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?)).filter(|it| !it.is_zero())
}

/// `512MiB`, `1GiB`, `500MB`, or bytes.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("12h"), Some(Duration::from_hours(12)));
        assert_eq!(duration("0s"), None);
        assert_eq!(duration("12"), None);
        assert_eq!(size("500MB"), Some(500_000_000));
        assert_eq!(size("1 GiB"), Some(1 << 30));
        assert_eq!(size("4096"), Some(4096));
        assert_eq!(size("1e9"), None);
    }
}
