//! Means and percentiles.

/// The mean of the middle half: as deaf to outliers as the median, and smoother.
pub(crate) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 4;
    mean(&sorted[cut..sorted.len() - cut])
}

/// The smallest value that at least `percent` of all do not exceed; 0 of none.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The arithmetic mean; 0 of none.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The smallest; 0 of none.
pub(crate) fn least(values: &[f64]) -> f64 {
    percentile(values, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(percentile(&values, 99.0), 5.0);
        assert_eq!(percentile(&values, 0.0), 1.0);
        assert_eq!(percentile(&[], 99.0), 0.0);
    }

    #[test]
    fn outliers_do_not_move_the_middle() {
        assert_eq!(middle(&[900.0, 3.0, 1.0, 2.0, 2.0, 3.0, 0.0, 2.0]), 2.25);
        assert_eq!(middle(&[7.0]), 7.0);
        assert_eq!(middle(&[]), 0.0);
    }

    #[test]
    fn the_mean_of_none_is_zero() {
        assert_eq!(mean(&[]), 0.0);
        assert_eq!(mean(&[1.0, 2.0]), 1.5);
        assert_eq!(least(&[2.0, 1.0]), 1.0);
    }
}
