//! When to try again: in steps, each with jitter, so that many clients do not come back at once.

use std::time::Duration;

/// How long to wait before each attempt, in milliseconds; the last one stays.
const STEPS: [u64; 6] = [100, 250, 500, 1_000, 2_000, 5_000];

/// Counts attempts since the last one that succeeded.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    attempts: usize,
}

impl Backoff {
    /// How long to wait before the next attempt: the step's time less up to half of it. `random` in 0..1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let step = STEPS[self.attempts.min(STEPS.len() - 1)];
        self.attempts += 1;
        Duration::from_millis(step).mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }

    /// An attempt has succeeded.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// How many attempts have failed in a row.
    pub(super) fn attempts(&self) -> usize {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_jitter_takes_at_most_half() {
        let (mut longest, mut shortest) = (Backoff::default(), Backoff::default());
        let mut before = Duration::ZERO;
        for _ in 0..20 {
            let (long, short) = (longest.next(0.0), shortest.next(0.999_999));
            assert!(long >= before && long <= Duration::from_secs(5));
            assert!(short <= long && short >= long.mul_f64(0.49));
            before = long;
        }
        assert_eq!(before, Duration::from_secs(5));
        longest.reset();
        assert_eq!(longest.next(0.0), Duration::from_millis(100));
    }
}
