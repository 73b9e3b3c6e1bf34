//! When a provider is not asked at all: a circuit breaker.
//!
//! A pure state that is told the time. After [`FAILURES_MAX`] faults in a row nobody asks the provider for a while; then one
//! request may try it, and the beginning of its answer lets all others in again: answers are streams, and may take minutes. Until one
//! is whole the next fault has the provider left alone again. Each failed try doubles the while, up to [`REST_MAX`].
//!
//! Where a provider has said when to come again nobody comes before, and all may come then: it has no fault that one would have to try.

use std::time::{Duration, Instant};

use super::LanguageError;

/// Faults in a row after which the provider is left alone.
const FAILURES_MAX: u32 = 5;
/// For how long at first.
const REST_MIN: Duration = Duration::from_secs(5);
/// For how long at most by its own reckoning; what a provider asks for itself may be longer.
const REST_MAX: Duration = Duration::from_secs(60);
/// A provider that asks for more is asked again after this all the same: longer words are rather a fault than a limit.
const ASKED_REST_MAX: Duration = Duration::from_secs(3_600);
/// How soon those come again who find another trying.
const TRY_WAIT: Duration = Duration::from_millis(500);

/// Whether a provider is asked.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Faults since the last success.
    failures: u32,
    /// Until when nobody asks, after faults.
    rests_until: Option<Instant>,
    /// Until when nobody asks, since the provider wants that.
    asked_until: Option<Instant>,
    /// How long it rested last after faults.
    rest: Option<Duration>,
    /// Whether somebody tries it now.
    is_tried: bool,
}

/// How it stands, for people and figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everybody asks.
    Closed,
    /// One may try.
    HalfOpen,
    /// Nobody asks, for this long.
    Open(Duration),
}

impl Breaker {
    /// Whether a request may be made now; who may must say how it went by [`Breaker::succeeded`], [`Breaker::failed`] or
    /// [`Breaker::abandoned`].
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.state(now) {
            BreakerState::Closed => Ok(()),
            BreakerState::Open(left) => Err(left),
            BreakerState::HalfOpen if self.is_tried => Err(TRY_WAIT),
            BreakerState::HalfOpen => {
                self.is_tried = true;
                Ok(())
            }
        }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        let until = self.rests_until.max(self.asked_until);
        match until.filter(|until| now < *until) {
            Some(until) => BreakerState::Open(until - now),
            None if self.rests_until.is_some() => BreakerState::HalfOpen,
            None => BreakerState::Closed,
        }
    }

    /// The provider has begun to answer. That is enough where one tries it: all others may come. Its faults are forgotten once an answer
    /// is whole.
    pub fn answers(&mut self, now: Instant) {
        if self.is_tried && self.state(now) == BreakerState::HalfOpen {
            self.is_tried = false;
            self.rests_until = None;
        }
    }

    /// The provider has answered. What it has asked for meanwhile still counts: the request may be older than that.
    pub fn succeeded(&mut self, now: Instant) {
        *self = Self {
            asked_until: self.asked_until.filter(|until| now < *until),
            ..Self::default()
        };
    }

    /// It has failed.
    pub fn failed(&mut self, error: &LanguageError, now: Instant) {
        self.is_tried = false;
        if error.is_fault_of_provider() {
            self.failures = self.failures.saturating_add(1);
            if self.failures >= FAILURES_MAX {
                let rest = self.rest.map_or(REST_MIN, |rest| (rest * 2).min(REST_MAX));
                self.rest = Some(rest);
                self.rests_until = Some(now + rest);
            }
        }
        if let Some(asked) = error.retry_after() {
            let until = now + asked.min(ASKED_REST_MAX);
            self.asked_until = self.asked_until.max(Some(until));
        }
    }

    /// Nobody knows how the request would have gone: it was cancelled.
    pub fn abandoned(&mut self) {
        self.is_tried = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sick() -> LanguageError {
        LanguageError::CutShort
    }

    #[test]
    fn a_provider_that_fails_is_left_alone_tried_by_one_and_taken_back() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            assert_eq!(breaker.admit(start), Ok(()));
            breaker.failed(&sick(), start);
        }
        assert_eq!(breaker.admit(start), Err(REST_MIN));
        let later = start + REST_MIN;
        assert_eq!(breaker.admit(later), Ok(()), "one may try");
        assert_eq!(breaker.admit(later), Err(TRY_WAIT), "and only one");
        breaker.failed(&sick(), later);
        assert_eq!(
            breaker.admit(later),
            Err(REST_MIN * 2),
            "each failed try doubles the rest"
        );
        let much_later = later + REST_MIN * 2;
        assert_eq!(breaker.admit(much_later), Ok(()));
        breaker.abandoned();
        assert_eq!(
            breaker.admit(much_later),
            Ok(()),
            "who was cancelled leaves the try to another"
        );
        breaker.succeeded(much_later);
        assert_eq!(breaker.state(much_later), BreakerState::Closed);
    }

    #[test]
    fn who_tries_lets_the_others_in_as_soon_as_an_answer_begins() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            breaker.failed(&sick(), start);
        }
        breaker.answers(start);
        assert_eq!(breaker.admit(start), Err(REST_MIN), "an answer of before is no try");
        let later = start + REST_MIN;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(TRY_WAIT));
        breaker.answers(later);
        assert_eq!(breaker.state(later), BreakerState::Closed);
        assert_eq!((breaker.admit(later), breaker.admit(later)), (Ok(()), Ok(())));
        breaker.failed(&sick(), later);
        assert_eq!(
            breaker.admit(later),
            Err(REST_MIN * 2),
            "an answer that was begun and broke off is no success"
        );
    }

    #[test]
    fn what_is_no_fault_of_the_provider_opens_nothing() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..100 {
            breaker.failed(&LanguageError::Rejected { word: None }, now);
            breaker.failed(&LanguageError::Unauthorized { word: None }, now);
        }
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }

    #[test]
    fn retry_after_is_obeyed_by_everybody_and_from_the_first_time() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let wait = Duration::from_secs(30);
        let error = LanguageError::RateLimited {
            word: None,
            retry_after: Some(wait),
        };
        breaker.failed(&error, now);
        assert_eq!(breaker.admit(now), Err(wait));
        // A request that was made before is answered: that is no word that others may come.
        breaker.succeeded(now);
        assert_eq!(breaker.admit(now), Err(wait));
        // Then all may come, and not one to try it: it had no fault.
        assert_eq!(breaker.state(now + wait), BreakerState::Closed);
        assert_eq!((breaker.admit(now + wait), breaker.admit(now + wait)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_long_retry_after_is_obeyed_up_to_an_hour() {
        let now = Instant::now();
        let asks = |seconds| LanguageError::RateLimited {
            word: None,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        for (asked, obeyed) in [(1_800, 1_800), (3_600, 3_600), (86_400, 3_600)] {
            let mut breaker = Breaker::default();
            breaker.failed(&asks(asked), now);
            assert_eq!(breaker.admit(now), Err(Duration::from_secs(obeyed)), "{asked}");
        }
    }
}
