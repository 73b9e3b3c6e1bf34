//! How fast a client may send: a bucket of tokens.

use std::time::Instant;

/// One bucket. It starts full.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self {
            per_second: per_second.into(),
            burst: burst.into(),
            tokens: burst.into(),
            filled_at: now,
        }
    }

    /// Takes one token; `false` where there is none.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 3, start);
        let admitted = |rate: &mut Rate, now| (0..100).take_while(|_| rate.admits(now)).count();
        assert_eq!(admitted(&mut rate, start), 3);
        assert_eq!(admitted(&mut rate, start + Duration::from_millis(250)), 2);
        assert_eq!(admitted(&mut rate, start + Duration::from_secs(60)), 3);
    }
}
