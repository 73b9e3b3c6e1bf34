//! What one server has counted, as it is told to others; and what several make together.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{
    Overview, Point,
    reading::Counts,
    span::{AgentCounts, AgentFigures, Figures, Gauges, Stretch, Totals},
};

/// What one server has counted in a window. It is made of counts, not of figures: these of several servers can be put together,
/// percentiles cannot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverviewPart {
    pub(super) at: SystemTime,
    /// When the process started.
    pub(super) since: SystemTime,
    pub(super) gauges: Gauges,
    pub(super) now: Stretch,
    pub(super) series: Vec<PointPart>,
    pub(super) agents: AgentCounts,
    /// All there was since the start.
    pub(super) totals: Counts,
}

/// One stretch of the series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PointPart {
    /// Its end.
    pub(super) at: SystemTime,
    /// Its end since the start, as it was meant: a multiple of the step.
    pub(super) due: Duration,
    pub(super) counted: Stretch,
    pub(super) gauges: Gauges,
}

impl Overview {
    /// What several servers make together; the first is the one that was asked. All have counted by stretches of `step`.
    ///
    /// Servers count from their own start, so their stretches do not begin at the same moment: those are put together whose ends are
    /// nearest to the same multiple of `step` by the clock. A server that was not there at a time has no part in it.
    #[must_use]
    pub fn of(parts: &[OverviewPart], step: Duration) -> Self {
        let mut stretches: BTreeMap<u128, Vec<&PointPart>> = BTreeMap::new();
        for part in parts {
            for point in &part.series {
                stretches
                    .entry(place(part.since + point.due, step))
                    .or_default()
                    .push(point);
            }
        }
        let point = |points: &Vec<&PointPart>| {
            let counted: Vec<&Stretch> = points.iter().map(|point| &point.counted).collect();
            Some(Point {
                at: points.iter().map(|point| point.at).max()?,
                figures: Figures::of(&counted),
                gauges: points.iter().map(|point| point.gauges).sum(),
            })
        };
        let now: Vec<&Stretch> = parts.iter().map(|part| &part.now).collect();
        Self {
            at: parts.first().map_or(UNIX_EPOCH, |part| part.at),
            gauges: parts.iter().map(|part| part.gauges).sum(),
            now: Figures::of(&now),
            step,
            series: stretches.values().filter_map(point).collect(),
            agents: AgentFigures::of(parts.iter().map(|part| &part.agents)),
            totals: Totals::of(parts.iter().map(|part| &part.totals)),
            since: parts.iter().map(|part| part.since).min().unwrap_or(UNIX_EPOCH),
        }
    }
}

/// Which multiple of `step` a time is nearest to.
fn place(at: SystemTime, step: Duration) -> u128 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since + step / 2).as_millis() / step.as_millis().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildInfo, History, Metrics, TurnOutcome};

    const STEP: Duration = Duration::from_secs(5);
    const WINDOW: Duration = Duration::from_secs(900);

    /// A server with so many turns of a length.
    fn server(turns: usize, took: Duration) -> OverviewPart {
        let metrics = Metrics::new(&BuildInfo::default());
        let history = History::new(metrics.clone());
        let billing = metrics.agent("billing");
        (0..turns).for_each(|_| billing.turn_ended(TurnOutcome::Completed, took));
        history.part(WINDOW, STEP)
    }

    /// A part with points that end so long after the start of its server, with a turn each second.
    fn with_points(started: Duration, ends: impl IntoIterator<Item = u64>) -> OverviewPart {
        let mut part = server(0, STEP);
        part.since = UNIX_EPOCH + started;
        let mut counted = part.now.clone();
        counted.set(STEP, 5);
        let point = |end| PointPart {
            at: part.since + Duration::from_secs(end) + Duration::from_millis(end % 7),
            due: Duration::from_secs(end),
            counted: counted.clone(),
            gauges: Gauges {
                sessions: 1,
                ..Gauges::default()
            },
        };
        part.series = ends.into_iter().map(point).collect();
        part
    }

    #[test]
    fn percentiles_are_of_all_turns_and_not_means_of_percentiles() {
        let quick = server(90, Duration::from_millis(3));
        let slow = server(10, Duration::from_secs(7));
        let both = Overview::of(&[quick, slow], STEP);
        assert_eq!((both.totals.turns, both.now.turns), (100, 100));
        let latency = both.now.latency.unwrap();
        assert!(latency.p50 < Duration::from_millis(5), "{latency:?}");
        assert!(latency.p95 > Duration::from_secs(5), "{latency:?}");
        let agents: Vec<_> = both.agents.iter().map(|agent| (&*agent.id, agent.turns)).collect();
        assert_eq!(agents, [("billing", 100)]);
    }

    #[test]
    fn stretches_of_servers_that_started_at_any_moment_are_put_together_one_by_one() {
        for offset in [0, 1_300, 2_500, 3_700] {
            let one = with_points(Duration::from_secs(1_000), (5..=100).step_by(5));
            let other = with_points(Duration::from_millis(1_000_000 + offset), (5..=50).step_by(5));
            let alone = Overview::of(std::slice::from_ref(&one), STEP);
            assert_eq!(alone.series.len(), 20);
            let both = Overview::of(&[one, other], STEP);
            let rates: Vec<f64> = both
                .series
                .iter()
                .filter_map(|point| point.figures.turns_per_second)
                .collect();
            assert!(rates.len() == 20 || rates.len() == 21, "{offset}: {rates:?}");
            assert_eq!(rates.iter().sum::<f64>().round(), 30.0, "{offset}: {rates:?}");
            assert!(rates.iter().all(|rate| *rate <= 2.0), "{offset}: {rates:?}");
            assert!(both.series.is_sorted_by(|one, other| one.at < other.at), "{offset}");
            let sessions: u64 = both.series.iter().map(|point| point.gauges.sessions).sum();
            assert_eq!(sessions, 30);
        }
    }

    #[test]
    fn of_nobody_nothing_is_known() {
        let nothing = Overview::of(&[], STEP);
        assert_eq!((nothing.now.turns_per_second, nothing.now.latency), (None, None));
        assert!(nothing.series.is_empty() && nothing.agents.is_empty());
    }
}
