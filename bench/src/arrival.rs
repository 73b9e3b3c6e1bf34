//! When turns begin in an open loop: at a fixed rate, whatever the server does.
//!
//! A generator that waits for an answer before it asks again goes slow together with the server, and so leaves out the very
//! latencies it should measure ("coordinated omission", Gil Tene, "How NOT to Measure Latency"). Here every arrival has an
//! intended time that is fixed before the run begins, and all latencies count from it.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

/// One turn that is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When it should be sent. Latency counts from here.
    pub(crate) intended: Instant,
}

/// Evenly spaced arrivals from `begin` (inclusive) to `end` (exclusive).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    begin: Instant,
    end: Instant,
    per_second: u32,
}

impl Schedule {
    /// `per_second` turns a second; none at all where it is 0.
    pub(crate) fn new(begin: Instant, end: Instant, per_second: u32) -> Self {
        Self { begin, end, per_second }
    }

    /// The arrival `index`, counted from 0, or none where the schedule has ended. Computed from the index alone, so that
    /// no rounding adds up. O(1).
    pub(crate) fn arrival(&self, index: u64) -> Option<Arrival> {
        if self.per_second == 0 {
            return None;
        }
        let nanos = u128::from(index) * 1_000_000_000 / u128::from(self.per_second);
        let intended = self
            .begin
            .checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))?;
        (intended < self.end).then_some(Arrival { intended })
    }
}

/// Hands out each arrival when it is due, in turn to each of `workers`, and returns when the schedule has ended.
///
/// Runs on a thread of its own: a timer of the asynchronous runtime rounds up to the next millisecond, a sleeping thread is
/// late by some 60 µs. What is overdue goes out at once, with the time it was intended for.
pub(crate) fn pace(schedule: Schedule, workers: &[UnboundedSender<Arrival>]) {
    let turns = (0..).map_while(|index| schedule.arrival(index));
    for (arrival, worker) in turns.zip(workers.iter().cycle()) {
        let wait = arrival.intended.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        if worker.send(arrival).is_err() {
            return; // The worker has gone; what it leaves behind is told by who joins it.
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn schedule(seconds: u64, per_second: u32) -> Schedule {
        let begin = Instant::now();
        Schedule::new(begin, begin + Duration::from_secs(seconds), per_second)
    }

    #[test]
    fn a_thousand_a_second_are_one_millisecond_apart() {
        let schedule = schedule(2, 1000);
        let third = schedule.arrival(3).unwrap();
        assert_eq!(third.intended - schedule.begin, Duration::from_millis(3));
    }

    #[test]
    fn a_rate_that_divides_badly_does_not_drift() {
        let schedule = schedule(7200, 7);
        let late = schedule.arrival(7 * 3600).unwrap();
        assert_eq!(late.intended - schedule.begin, Duration::from_secs(3600));
    }

    #[test]
    fn a_schedule_has_rate_times_seconds_arrivals() {
        for (seconds, per_second) in [(1, 1), (2, 3), (5, 1000), (3, 333)] {
            let schedule = schedule(seconds, per_second);
            let count = (0..).map_while(|index| schedule.arrival(index)).count();
            assert_eq!(
                count as u64,
                seconds * u64::from(per_second),
                "{per_second}/s for {seconds} s"
            );
        }
    }

    #[test]
    fn no_rate_is_no_arrival() {
        assert_eq!(schedule(10, 0).arrival(0), None);
    }

    #[test]
    fn a_late_pacer_keeps_the_intended_times() {
        let begin = Instant::now() - Duration::from_millis(500);
        let schedule = Schedule::new(begin, begin + Duration::from_millis(500), 100);
        let (sender, mut receiver) = unbounded_channel();
        pace(schedule, &[sender]);
        let mut received = Vec::new();
        while let Ok(arrival) = receiver.try_recv() {
            received.push(arrival.intended - begin);
        }
        let wanted: Vec<_> = (0..50).map(|index| Duration::from_millis(index * 10)).collect();
        assert_eq!(received, wanted);
    }

    #[test]
    fn no_arrival_is_handed_out_before_its_time() {
        let begin = Instant::now();
        let schedule = Schedule::new(begin, begin + Duration::from_millis(50), 200);
        let (sender, mut receiver) = unbounded_channel();
        let pacer = thread::spawn(move || pace(schedule, &[sender]));
        let mut count = 0;
        while let Some(arrival) = receiver.blocking_recv() {
            assert!(Instant::now() >= arrival.intended);
            count += 1;
        }
        pacer.join().unwrap();
        assert_eq!(count, 10);
    }
}
