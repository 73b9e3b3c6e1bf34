//! How durations are spread, as a histogram of Prometheus counts them.

use prometheus::proto;
use serde::{Deserialize, Serialize};

/// Observations in each bucket of [`SECONDS_BUCKETS`](crate::names::SECONDS_BUCKETS), and above them all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Distribution {
    /// How many were not above each bound, as Prometheus counts; the last is all of them.
    up_to: Vec<u64>,
}

impl Distribution {
    /// Adds what a histogram has counted; all that are added have the same bounds.
    pub(super) fn add(&mut self, histogram: &proto::Histogram) {
        let bounds = histogram.get_bucket();
        self.up_to.resize(bounds.len() + 1, 0);
        let counts = bounds.iter().map(proto::Bucket::cumulative_count);
        for (sum, count) in self.up_to.iter_mut().zip(counts.chain([histogram.get_sample_count()])) {
            *sum += count;
        }
    }

    /// Adds another.
    pub(super) fn join(&mut self, other: &Self) {
        self.up_to.resize(self.up_to.len().max(other.up_to.len()), 0);
        for (sum, count) in self.up_to.iter_mut().zip(&other.up_to) {
            *sum += count;
        }
    }

    /// What came in between an earlier state and this one.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let before = earlier.up_to.iter().copied().chain(std::iter::repeat(0));
        let up_to = self.up_to.iter().zip(before);
        Self {
            up_to: up_to.map(|(now, before)| now.saturating_sub(before)).collect(),
        }
    }

    /// The value below which a share of the observations lies, in the bounds' unit; none without observations. As
    /// `histogram_quantile` of Prometheus has it: evenly spread within a bucket, and the highest bound for what is above it.
    pub(super) fn quantile(&self, share: f64, bounds: &[f64]) -> Option<f64> {
        let all = self.up_to.last().copied().filter(|all| *all > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let exact = |count: u64| count as f64;
        let rank = share * exact(all);
        let bucket = self.up_to.iter().position(|count| exact(*count) >= rank)?;
        let Some(end) = bounds.get(bucket) else {
            return bounds.last().copied();
        };
        let (start, below) = match bucket.checked_sub(1) {
            Some(before) => (bounds[before], self.up_to[before]),
            None => (0.0, 0),
        };
        let within = exact(self.up_to[bucket] - below);
        let part = if within > 0.0 {
            (rank - exact(below)) / within
        } else {
            0.0
        };
        Some(start + (end - start) * part)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Histogram, HistogramOpts, core::Collector};

    use super::*;

    const BOUNDS: [f64; 3] = [1.0, 2.0, 4.0];

    fn counted(values: &[f64]) -> Distribution {
        let options = HistogramOpts::new("a", "a").buckets(BOUNDS.to_vec());
        let histogram = Histogram::with_opts(options).unwrap();
        values.iter().for_each(|value| histogram.observe(*value));
        let mut distribution = Distribution::default();
        distribution.add(histogram.collect()[0].get_metric()[0].get_histogram());
        distribution
    }

    #[test]
    fn a_quantile_is_that_of_prometheus() {
        let one_of_each = counted(&[0.5, 1.5, 3.0, 9.0]);
        for (share, expected) in [(0.25, 1.0), (0.5, 2.0), (0.625, 3.0), (0.75, 4.0), (0.99, 4.0)] {
            assert_eq!(one_of_each.quantile(share, &BOUNDS), Some(expected), "{share}");
        }
        assert_eq!(counted(&[1.5, 1.6, 1.7, 1.8]).quantile(0.5, &BOUNDS), Some(1.5));
        assert_eq!(counted(&[]).quantile(0.5, &BOUNDS), None);
        assert_eq!(Distribution::default().quantile(0.5, &BOUNDS), None);
    }

    #[test]
    fn only_what_came_in_between_counts() {
        let (before, after) = (counted(&[0.5, 0.5]), counted(&[0.5, 0.5, 3.0]));
        assert_eq!(after.since(&before), counted(&[3.0]));
        assert_eq!(after.since(&Distribution::default()), after);
        assert_eq!(before.since(&before).quantile(0.5, &BOUNDS), None);
        let mut both = before.clone();
        both.join(&counted(&[3.0]));
        assert_eq!(both, after);
    }
}
