//! What the metrics were a while ago: enough of it for a console to show rates and percentiles without a Prometheus beside it.
//!
//! Counters only say how much there was since the start. Whoever wants a rate needs their values at two moments, so these are
//! kept: every five seconds for an hour, every minute for a day. That is bounded whatever happens: some 600 bytes for each of
//! 728 readings, and for each of 1,457 the same with 300 more for each agent; less than 4 MB with five agents.
//!
//! In reading order: the counters at one moment ([`reading`]), what lies between two of them ([`span`]), how durations are
//! spread ([`distribution`]), which readings are kept ([`rings`]), and what several servers make together ([`part`]).

mod distribution;
mod part;
mod reading;
mod rings;
mod span;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

pub use self::{
    part::OverviewPart,
    span::{AgentFigures, Figures, Gauges, Latency, Totals},
};
use self::{
    part::PointPart,
    reading::Reading,
    rings::{COARSE, FINE, FINE_KEPT, Rings, tick},
    span::{Stretch, agents_between},
};
use crate::Metrics;

/// A figure for each of so many stretches of time at most: what a plot has room for.
const POINTS_MAX: u32 = 144;
/// What counts as now.
const NOW: Duration = Duration::from_secs(60);

/// The past of the metrics of this process. It is to be fed by one task, every [`History::EVERY`].
#[derive(Debug)]
pub struct History {
    metrics: Metrics,
    began: Instant,
    since: SystemTime,
    rings: Mutex<Rings>,
}

/// The metrics over a stretch of time, of one server or of several.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// When it was made.
    pub at: SystemTime,
    /// The gauges at that moment.
    pub gauges: Gauges,
    /// Over the last minute, or since the start where that is less.
    pub now: Figures,
    /// How long each point of the series is.
    pub step: Duration,
    /// The stretches of time that the window has, the oldest first: each ends where it says. One whose begin or end was
    /// not sampled is left out.
    pub series: Vec<Point>,
    /// What each agent did in the window; agents without a turn since the start are not among them.
    pub agents: Vec<AgentFigures>,
    /// All there was since the start.
    pub totals: Totals,
    /// When the process started; of several the first.
    pub since: SystemTime,
}

/// One stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its end.
    pub at: SystemTime,
    /// What happened in it.
    pub figures: Figures,
    /// The gauges at its end.
    pub gauges: Gauges,
}

impl History {
    /// How often [`sample`](Self::sample) is to be called.
    pub const EVERY: Duration = FINE;

    /// Begins with what the metrics are now.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let history = Self {
            began: Instant::now(),
            since: SystemTime::now(),
            rings: Mutex::new(Rings::default()),
            metrics,
        };
        history.sample();
        history
    }

    /// Keeps what the metrics are now.
    pub fn sample(&self) {
        let reading = Reading::of(&self.metrics, self.began.elapsed(), SystemTime::now());
        self.rings().keep(reading);
    }

    /// How long each point of a series over the last `window` is to be: shorter where the server has not run for so long.
    #[must_use]
    pub fn step(&self, window: Duration) -> Duration {
        step(window.min(self.began.elapsed()))
    }

    /// How long it is where other servers have a part in it, which may have run for longer.
    #[must_use]
    pub fn step_of_several(window: Duration) -> Duration {
        step(window)
    }

    /// What was counted in the last `window`, up to now, by stretches of `step`: a multiple of [`EVERY`](Self::EVERY).
    #[must_use]
    pub fn part(&self, window: Duration, step: Duration) -> OverviewPart {
        let present = Reading::of(&self.metrics, self.began.elapsed(), SystemTime::now());
        let rings = self.rings();
        let ago = |age: Duration| present.at.saturating_sub(age);
        let minute = rings.before(ago(NOW)).unwrap_or(&present);
        let begin = rings.coarse_before(ago(window)).unwrap_or(&present);
        let point = |(from, to): (&Reading, &Reading)| PointPart {
            at: to.time,
            due: FINE * u32::try_from(tick(to)).unwrap_or(u32::MAX),
            counted: Stretch::between(from, to),
            gauges: to.gauges,
        };
        OverviewPart {
            at: present.time,
            since: self.since,
            gauges: present.gauges,
            now: Stretch::between(minute, &present),
            series: rings
                .pairs(step.max(FINE), ago(window))
                .into_iter()
                .map(point)
                .collect(),
            agents: agents_between(begin, &present),
            totals: present.counts,
        }
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        // What is kept is whole after every step: a panic in between breaks nothing.
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the points of a series over `span` are: the shortest that is a multiple of what is sampled, of which there are
/// not too many.
fn step(span: Duration) -> Duration {
    const STEPS: [u32; 9] = [5, 10, 15, 30, 60, 120, 300, 600, 900];
    let seconds = STEPS.into_iter().find(|seconds| {
        let step = Duration::from_secs(u64::from(*seconds));
        let is_kept = step >= COARSE || span <= FINE_KEPT;
        is_kept && step * POINTS_MAX >= span
    });
    Duration::from_secs(u64::from(seconds.unwrap_or(900)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildInfo, TurnOutcome};

    #[test]
    fn a_series_has_as_many_points_as_a_plot_has_room_for() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        for (span, seconds) in [(0, 5), (5, 5), (15, 10), (60, 30), (61, 60), (360, 300), (1_440, 600)] {
            assert_eq!(step(minutes(span)).as_secs(), seconds, "{span}");
            assert!(minutes(span).as_secs() / seconds <= u64::from(POINTS_MAX));
        }
    }

    /// What the server says of itself alone.
    fn alone(history: &History) -> Overview {
        let window = Duration::from_secs(900);
        let step = history.step(window);
        Overview::of(&[history.part(window, step)], step)
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let metrics = Metrics::new(&BuildInfo::default());
        let history = History::new(metrics.clone());
        let overview = alone(&history);
        assert_eq!(overview.now.latency, None);
        assert_eq!(overview.now.first_event_p95, None);
        assert_eq!(overview.now.cache_hit_rate, None);
        assert_eq!(overview.now.tokens_per_second, None);
        assert_eq!(overview.totals, Totals::default());
        assert!(overview.series.is_empty() && overview.agents.is_empty());

        let billing = metrics.agent("billing");
        billing.turn_ended(TurnOutcome::Completed, Duration::from_millis(30));
        billing.turn_ended(TurnOutcome::Failed, Duration::from_millis(40));
        billing.cache_asked(false);
        let overview = alone(&history);
        assert_eq!((overview.totals.turns, overview.totals.errors), (2, 1));
        assert_eq!(overview.now.cache_hit_rate, Some(0.0), "asked, and never hit");
        assert_eq!(overview.totals.tokens, None, "no model could report any");
        let agent = &overview.agents[0];
        assert_eq!((&*agent.id, agent.turns, agent.errors), ("billing", 2, 1));
        billing.model("a-model").spent(7, 0.5, 0);
        let totals = alone(&history).totals;
        assert_eq!((totals.tokens, totals.cost), (Some(7), Some(0.5)));
    }
}
