//! Counting tests from the summary lines of those who ran them.

use std::fmt;
use std::ops::AddAssign;

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Tally {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(super) fn of_cargo_test(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut parts = counts.split("; ");
        Some(Self {
            passed: count(parts.next()?, "passed")?,
            failed: count(parts.next()?, "failed")?,
            skipped: count(parts.next()?, "ignored")?,
        })
    }

    /// Reads `3 passed, 0 failed`, perhaps with `, 1 skipped`.
    pub(super) fn of_scenarios(line: &str) -> Option<Self> {
        let mut parts = line.trim().split(", ");
        let tally = Self {
            passed: count(parts.next()?, "passed")?,
            failed: count(parts.next()?, "failed")?,
            skipped: parts.next().map_or(Some(0), |part| count(part, "skipped"))?,
        };
        parts.next().is_none().then_some(tally)
    }
}

fn count(part: &str, word: &str) -> Option<u64> {
    part.strip_suffix(word)?.strip_suffix(' ')?.parse().ok()
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_summary_is_read() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(Tally::of_cargo_test(line), Some(Tally { passed: 5, failed: 2, skipped: 1 }));
        assert_eq!(Tally::of_cargo_test("running 5 tests"), None);
    }

    #[test]
    fn a_summary_of_scenarios_reads_as_it_is_written() {
        for tally in [Tally { passed: 7, failed: 0, skipped: 0 }, Tally { passed: 7, failed: 1, skipped: 3 }]
        {
            assert_eq!(Tally::of_scenarios(&tally.to_string()), Some(tally));
        }
        assert_eq!(Tally::of_scenarios("3 passed, 0 failed, 1 skipped, and more"), None);
        assert_eq!(Tally::of_scenarios("all passed"), None);
    }
}
