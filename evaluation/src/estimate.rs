//! Means and other figures over cases, with intervals.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Resamples of the bootstrap. With 2,000 the ends of a 95 % interval move by some hundredths of its width from seed to seed.
const RESAMPLES: usize = 2_000;
/// Of the bootstrap: the same figures give the same interval every time.
const SEED: u64 = 0x6f72_6368;

/// A figure over cases, and the interval in which it lies in 95 of 100 such sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure; 0 of no cases.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// Cases.
    pub cases: usize,
}

impl Estimate {
    /// The mean of one figure for each case, with the percentile bootstrap's interval (Efron, 1979).
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        Self::of_statistic(values.len(), |cases| mean(values, cases))
    }

    /// A figure that is no mean, such as F1: `statistic` gives it for any choice of the cases `0..cases`, in which some stand more
    /// than once and others not at all.
    #[must_use]
    pub fn of_statistic(cases: usize, statistic: impl Fn(&[usize]) -> f64) -> Self {
        if cases == 0 {
            let mean = 0.0;
            return Self {
                mean,
                low: mean,
                high: mean,
                cases,
            };
        }
        let mut chosen: Vec<usize> = (0..cases).collect();
        let whole = statistic(&chosen);
        let mut random = StdRng::seed_from_u64(SEED);
        let mut figures: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                chosen.fill_with(|| random.random_range(0..cases));
                statistic(&chosen)
            })
            .collect();
        figures.sort_by(f64::total_cmp);
        Self {
            mean: whole,
            low: figures[RESAMPLES * 25 / 1_000],
            high: figures[RESAMPLES * 975 / 1_000 - 1],
            cases,
        }
    }

    /// Whether the interval says that the figure is not 0.
    #[must_use]
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// How much better `b` is than `a` on the same cases, in the same order: the mean of the differences, whose interval is narrower
/// than those of both would have it, since a hard case is hard for both.
///
/// # Panics
/// Where they are not of the same cases.
#[must_use]
pub fn difference(a: &[f64], b: &[f64]) -> Estimate {
    assert_eq!(a.len(), b.len(), "they are compared case by case");
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
    Estimate::of(&differences)
}

fn mean(values: &[f64], cases: &[usize]) -> f64 {
    let sum: f64 = cases.iter().map(|case| values[*case]).sum();
    #[expect(clippy::cast_precision_loss, reason = "a set is far below 2^52 cases")]
    let mean = sum / cases.len().max(1) as f64;
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_its_mean_and_narrows_with_the_number_of_cases() {
        let width = |cases: usize| {
            let values: Vec<f64> = (0..cases).map(|case| f64::from(u8::from(case % 4 != 0))).collect();
            let estimate = Estimate::of(&values);
            assert!((estimate.mean - 0.75).abs() < 1e-9, "{estimate:?}");
            assert!(
                estimate.low < estimate.mean && estimate.mean < estimate.high,
                "{estimate:?}"
            );
            estimate.high - estimate.low
        };
        let (few, many) = (width(40), width(400));
        // The standard error of a share of 3/4 is 0.068 at 40 cases: the interval is some four of these wide.
        assert!((0.2..0.35).contains(&few), "{few}");
        assert!((0.06..0.11).contains(&many), "{many}");
    }

    #[test]
    fn a_difference_is_taken_case_by_case() {
        let a = [0.0, 1.0, 0.0, 1.0];
        let better = difference(&a, &a.map(|value| value + 0.5));
        assert_eq!((better.mean, better.low, better.high), (0.5, 0.5, 0.5));
        assert!(better.excludes_zero());
        assert!(!difference(&a, &[1.0, 0.0, 1.0, 0.0]).excludes_zero());
        assert_eq!(Estimate::of(&[]).cases, 0);
    }
}
