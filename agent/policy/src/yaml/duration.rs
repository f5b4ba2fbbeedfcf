//! Durations as people write them.

/// Seconds of `90s`, `30m`, `12h`, `7d`.
pub fn seconds(text: &str) -> Option<u32> {
    let (number, unit) = text.trim().split_at(text.trim().find(|c: char| !c.is_ascii_digit())?);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_are_never_nothing() {
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("1d"), Some(86_400));
        for wrong in ["", "10", "m", "0s", "10 m", "-1s", "99999999d"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
