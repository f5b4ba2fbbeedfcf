//! A row knows two times: while an exception holds, and after.

use cofferdam_abi::policy::FOREVER;

/// What a row says over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phases<T> {
    /// Boot clock, ns: until then `before` counts; 0 if nothing changes.
    pub until: u64,
    pub before: T,
    pub after: T,
    /// Which of the ends this is.
    pub end: Option<usize>,
}

/// What is said now, until the first of the ends that changes it, and when all have passed. In between, where several
/// exceptions end one after the other, what holds without any of them: never more than they permit.
pub fn phases<T: PartialEq + Copy>(now: u64, ends: &[u64], at: impl Fn(u64) -> T) -> Phases<T> {
    let (before, after) = (at(now), at(FOREVER));
    let changes = |end: u64| at(end) != before;
    let first = ends.iter().enumerate().filter(|(_, end)| changes(**end)).min_by_key(|(_, end)| **end);
    match first {
        Some((index, end)) => Phases { until: *end, before, after, end: Some(index) },
        None => Phases { until: 0, before: after, after, end: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_that_changes_something_counts_and_after_it_no_exception_does() {
        // Bits that hold until 20, 10 and 30; 10 is hidden by the one until 20.
        let at = |now: u64| u32::from(now < 20) | u32::from(now < 10) | u32::from(now < 30) << 1;
        let expected = Phases { until: 20, before: 3, after: 0, end: Some(0) };
        assert_eq!(phases(5, &[20, 10, 30], at), expected);
        assert_eq!(phases(5, &[], |_| 7), Phases { until: 0, before: 7, after: 7, end: None });
    }
}
