//! What one thread of the generator counts.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    clients::{Origin, Turn, TurnError},
    histogram::Latencies,
};

/// The time of a run that is measured: it is warm before, and drains after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// When load begins.
    pub(crate) begin: Instant,
    /// When measuring begins.
    pub(crate) from: Instant,
    /// When measuring ends, and load with it.
    pub(crate) to: Instant,
}

impl Window {
    /// Whether `instant` is measured.
    pub(crate) fn holds(&self, instant: Instant) -> bool {
        self.from <= instant && instant < self.to
    }

    /// How long is measured.
    pub(crate) fn length(&self) -> Duration {
        self.to - self.from
    }
}

/// The turns of a window.
#[derive(Debug)]
pub(crate) struct Tally {
    window: Window,
    /// From the intended time to `message_accepted`.
    pub(crate) first_event: Latencies,
    /// From the intended time to the first `message_delta`.
    pub(crate) first_token: Latencies,
    /// From the intended time to the end of the turn.
    pub(crate) turn: Latencies,
    /// From the intended time to the moment of sending: waiting for a free session, and the generator's own lateness.
    pub(crate) send_lag: Latencies,
    /// Turns that ended well inside the window, whenever they began: throughput counts these.
    pub(crate) ended_in_window: u64,
    /// Turns that did not end well, by code.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Turns whose origin was looked at,
    pub(crate) looked_at: u64,
    /// those of them that the cache answered,
    pub(crate) from_cache: u64,
    /// and those that were answered from documents.
    pub(crate) from_retrieval: u64,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new(window: Window) -> Self {
        Self {
            window,
            first_event: Latencies::new(),
            first_token: Latencies::new(),
            turn: Latencies::new(),
            send_lag: Latencies::new(),
            ended_in_window: 0,
            errors: BTreeMap::new(),
            looked_at: 0,
            from_cache: 0,
            from_retrieval: 0,
        }
    }

    /// Takes in a turn that should have been sent at `intended`, and was sent at `sent`. Latencies count where the intended
    /// time is in the window, however late the end is.
    pub(crate) fn record(&mut self, intended: Instant, sent: Instant, outcome: Result<Turn, &TurnError>) {
        let measured = self.window.holds(intended);
        let turn = match outcome {
            Ok(turn) => turn,
            Err(error) if measured => return self.error(error.code()),
            Err(_) => return,
        };
        if self.window.holds(turn.end) {
            self.ended_in_window += 1;
        }
        if !measured {
            return;
        }
        self.send_lag.record(sent.saturating_duration_since(intended));
        self.turn.record(turn.end.saturating_duration_since(intended));
        if let Some(first) = turn.first_event {
            self.first_event.record(first.saturating_duration_since(intended));
        }
        if let Some(first) = turn.first_token {
            self.first_token.record(first.saturating_duration_since(intended));
        }
        if let Some(origin) = turn.origin {
            self.looked_at += 1;
            match origin {
                Origin::Cache => self.from_cache += 1,
                Origin::Retrieval => self.from_retrieval += 1,
                Origin::Neither => {}
            }
        }
    }

    /// Takes in a turn of the schedule that was never sent, because no session became free.
    pub(crate) fn never_sent(&mut self, intended: Instant) {
        if self.window.holds(intended) {
            self.error("never sent: all sessions busy".to_owned());
        }
    }

    /// Takes in a connection that could not be had.
    pub(crate) fn not_connected(&mut self, error: &TurnError) {
        if self.window.holds(Instant::now()) {
            self.error(format!("connect: {}", error.code()));
        }
    }

    /// Adds all of another thread's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.first_event.merge(&other.first_event);
        self.first_token.merge(&other.first_token);
        self.turn.merge(&other.turn);
        self.send_lag.merge(&other.send_lag);
        self.ended_in_window += other.ended_in_window;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        self.looked_at += other.looked_at;
        self.from_cache += other.from_cache;
        self.from_retrieval += other.from_retrieval;
    }

    fn error(&mut self, code: String) {
        *self.errors.entry(code).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn window() -> Window {
        let begin = Instant::now();
        Window {
            begin,
            from: begin + ms(1000),
            to: begin + ms(2000),
        }
    }

    fn turn(end: Instant) -> Turn {
        Turn {
            first_event: Some(end - ms(8)),
            first_token: Some(end - ms(3)),
            end,
            origin: Some(Origin::Retrieval),
        }
    }

    #[test]
    fn latency_counts_from_the_intended_time_not_from_the_sending() {
        let window = window();
        let mut tally = Tally::new(window);
        let (intended, sent) = (window.from + ms(100), window.from + ms(140));
        tally.record(intended, sent, Ok(turn(sent + ms(10))));
        let near = |latencies: &Latencies, wanted: f64| (latencies.percentiles().max_ms - wanted).abs() < 0.1;
        assert!(near(&tally.turn, 50.0) && near(&tally.first_event, 42.0) && near(&tally.first_token, 47.0));
        assert!(near(&tally.send_lag, 40.0));
        assert_eq!((tally.looked_at, tally.from_cache, tally.from_retrieval), (1, 0, 1));
    }

    #[test]
    fn a_turn_of_the_warm_up_has_no_latency_but_counts_where_it_ends() {
        let window = window();
        let mut tally = Tally::new(window);
        let intended = window.from - ms(5);
        tally.record(intended, intended, Ok(turn(window.from + ms(5))));
        tally.record(window.begin, window.begin, Ok(turn(window.begin + ms(10))));
        assert_eq!(tally.turn.percentiles().count, 0);
        assert_eq!(tally.ended_in_window, 1);
    }

    #[test]
    fn a_turn_that_ends_after_the_window_keeps_its_latency() {
        let window = window();
        let mut tally = Tally::new(window);
        let intended = window.to - ms(1);
        tally.record(intended, intended, Ok(turn(window.to + ms(700))));
        assert_eq!(tally.ended_in_window, 0);
        assert!(tally.turn.percentiles().max_ms > 700.0);
    }

    #[test]
    fn errors_are_counted_by_code_and_merge() {
        let window = window();
        let (mut one, mut two) = (Tally::new(window), Tally::new(window));
        let during = window.from + ms(1);
        let refused = TurnError::Refused("OVERLOADED".to_owned());
        one.record(during, during, Err(&refused));
        one.record(window.begin, window.begin, Err(&refused));
        two.record(during, during, Err(&refused));
        two.record(during, during, Err(&TurnError::Closed(4008)));
        two.never_sent(during);
        two.never_sent(window.to);
        one.merge(&two);
        let counted: Vec<_> = one.errors.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        assert_eq!(
            counted,
            [
                ("OVERLOADED", 2),
                ("closed 4008", 1),
                ("never sent: all sessions busy", 1)
            ]
        );
    }
}
