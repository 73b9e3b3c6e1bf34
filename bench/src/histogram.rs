//! Latencies and their percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

const HIGHEST_MICROS: u64 = 600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Many latencies in little memory: 1 µs to 10 minutes at three significant digits (longer ones count as the highest).
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

/// What is reported of a histogram, in milliseconds. All are 0 where `count` is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// How many latencies stand behind the rest.
    pub(crate) count: u64,
    /// The arithmetic mean.
    pub(crate) mean_ms: f64,
    /// Half are not above it.
    pub(crate) p50_ms: f64,
    /// 90 of 100.
    pub(crate) p90_ms: f64,
    /// 95 of 100.
    pub(crate) p95_ms: f64,
    /// 99 of 100.
    pub(crate) p99_ms: f64,
    /// 999 of 1,000.
    pub(crate) p999_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Latencies {
    /// Without any latency yet.
    pub(crate) fn new() -> Self {
        Self(
            Histogram::new_with_bounds(1, HIGHEST_MICROS, SIGNIFICANT_DIGITS)
                .expect("the bounds are constants that the histogram takes"),
        )
    }

    /// Adds one.
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(HIGHEST_MICROS);
        self.0.saturating_record(micros.max(1));
    }

    /// Adds all of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// Where they lie.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile: f64| micros_to_ms(self.0.value_at_quantile(quantile));
        Percentiles {
            count: self.0.len(),
            mean_ms: self.0.mean() / 1000.0,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: micros_to_ms(self.0.max()),
        }
    }
}

impl Percentiles {
    /// What stands above [`Percentiles::columns`].
    pub(crate) const HEADINGS: &'static str = "      p50       p90       p95       p99     p99.9       max";

    /// The percentiles in milliseconds, under [`Percentiles::HEADINGS`].
    pub(crate) fn columns(&self) -> String {
        [
            self.p50_ms,
            self.p90_ms,
            self.p95_ms,
            self.p99_ms,
            self.p999_ms,
            self.max_ms,
        ]
        .map(|ms| format!("{ms:9.3}"))
        .join(" ")
    }
}

/// The middle value, or the mean of the two in the middle; none of no values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted[sorted.len() / 2 - 1];
    Some(f64::midpoint(lower, upper))
}

#[expect(clippy::cast_precision_loss, reason = "at most 6e8, far below 2^53")]
fn micros_to_ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(measured: f64, wanted: f64) -> bool {
        (measured - wanted).abs() <= wanted * 0.002
    }

    #[test]
    fn percentiles_of_one_to_a_thousand_milliseconds_are_within_three_digits() {
        let mut latencies = Latencies::new();
        for ms in 1..=1000 {
            latencies.record(Duration::from_millis(ms));
        }
        let found = latencies.percentiles();
        assert_eq!(found.count, 1000);
        assert!(near(found.p50_ms, 500.0), "{found:?}");
        assert!(near(found.p90_ms, 900.0), "{found:?}");
        assert!(near(found.p95_ms, 950.0), "{found:?}");
        assert!(near(found.p99_ms, 990.0), "{found:?}");
        assert!(near(found.p999_ms, 999.0), "{found:?}");
        assert!(near(found.max_ms, 1000.0), "{found:?}");
        assert!(near(found.mean_ms, 500.5), "{found:?}");
    }

    #[test]
    fn merged_histograms_equal_one_that_saw_everything() {
        let (mut odd, mut even, mut all) = (Latencies::new(), Latencies::new(), Latencies::new());
        for micros in 1..5000_u64 {
            let latency = Duration::from_micros(micros * 3);
            if micros % 2 == 0 {
                even.record(latency);
            } else {
                odd.record(latency);
            }
            all.record(latency);
        }
        odd.merge(&even);
        assert_eq!(odd.percentiles(), all.percentiles());
    }

    #[test]
    fn what_is_out_of_range_is_kept_at_the_edge() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::from_secs(86_400));
        let found = latencies.percentiles();
        assert_eq!(found.count, 2);
        assert!(near(found.p50_ms, 0.001), "{found:?}");
        assert!(near(found.max_ms, 600_000.0), "{found:?}");
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        let found = Latencies::new().percentiles();
        assert_eq!((found.count, found.p99_ms, found.max_ms), (0, 0.0, 0.0));
    }

    #[test]
    fn the_median_is_the_middle_in_any_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }
}
