//! When a provider is asked again, and after how long.

use std::time::Duration;

use super::LanguageError;

/// How often a request is made, and how long is waited between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests in all, 1 or more.
    pub attempts: u32,
    /// The mean of the first wait; each further one is twice as long.
    pub wait: Duration,
    /// No wait is longer: where a provider asks for more, the request is given up, and the next model may be asked.
    pub wait_max: Duration,
}

impl RetryPolicy {
    /// How long to wait after `attempt`, from 1, failed by `error`; none: do not ask again. `chance`, 0 to 1, spreads those who
    /// failed together.
    ///
    /// Without word from the provider the wait is between a half and one and a half of the step, so that it stays a step and is
    /// nobody else's. What the provider asks for is never shortened, and a tenth may come on top.
    #[must_use]
    pub fn wait_after(&self, attempt: u32, error: &LanguageError, chance: f64) -> Option<Duration> {
        if attempt >= self.attempts || !error.is_worth_retrying() {
            return None;
        }
        let chance = chance.clamp(0.0, 1.0);
        let wait = match error.retry_after() {
            Some(asked) if asked > self.wait_max => return None,
            Some(asked) => asked.mul_f64(1.0 + chance / 10.0),
            None => {
                let step = self.wait.saturating_mul(1 << (attempt - 1).min(16)).min(self.wait_max);
                step.mul_f64(0.5 + chance)
            }
        };
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 3,
        wait: Duration::from_millis(200),
        wait_max: Duration::from_secs(5),
    };

    #[test]
    fn waits_double_and_spread_and_end() {
        let error = LanguageError::CutShort;
        assert_eq!(POLICY.wait_after(1, &error, 0.0), Some(Duration::from_millis(100)));
        assert_eq!(POLICY.wait_after(1, &error, 1.0), Some(Duration::from_millis(300)));
        assert_eq!(POLICY.wait_after(2, &error, 0.5), Some(Duration::from_millis(400)));
        assert_eq!(POLICY.wait_after(3, &error, 0.5), None);
    }

    #[test]
    fn what_the_provider_asks_for_is_obeyed_or_not_waited_for() {
        let asks = |seconds| LanguageError::RateLimited {
            word: None,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(POLICY.wait_after(1, &asks(2), 0.0), Some(Duration::from_secs(2)));
        assert!(POLICY.wait_after(1, &asks(2), 1.0) >= Some(Duration::from_secs(2)));
        assert_eq!(POLICY.wait_after(1, &asks(6), 0.0), None);
    }

    #[test]
    fn what_would_fail_again_is_not_asked_again() {
        for error in [
            LanguageError::Rejected { word: None },
            LanguageError::Unauthorized { word: None },
            LanguageError::Busy,
            LanguageError::Protocol { reason: String::new() },
        ] {
            assert_eq!(POLICY.wait_after(1, &error, 0.5), None, "{error}");
        }
    }
}
