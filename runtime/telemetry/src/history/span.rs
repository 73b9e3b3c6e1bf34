//! What lies between two readings, and what lies between those of several servers, in figures for people.

use std::{collections::BTreeMap, iter::Sum, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    distribution::Distribution,
    reading::{Counts, Reading},
};
use crate::names::SECONDS_BUCKETS;

/// What there is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gauges {
    /// Sessions in memory.
    pub sessions: u64,
    /// Clients that follow a session.
    pub connections: u64,
    /// Turns that are accepted and have not ended.
    pub turns_in_flight: u64,
}

/// What happened over a stretch of time. What cannot be known is none: no percentile without an observation, no rate without time.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// How long the stretch is.
    pub over: Duration,
    /// Turns that ended.
    pub turns: u64,
    /// Turns that failed.
    pub errors: u64,
    /// Turns that ended, each second.
    pub turns_per_second: Option<f64>,
    /// Turns that failed, each second.
    pub errors_per_second: Option<f64>,
    /// From the receipt of a message to the end of its turn.
    pub latency: Option<Latency>,
    /// From the receipt of a message to its first event, in 95 of 100 cases no longer.
    pub first_event_p95: Option<Duration>,
    /// Tokens that providers reported, each second.
    pub tokens_per_second: Option<f64>,
    /// What they cost, in USD, if it went on so for an hour.
    pub cost_per_hour: Option<f64>,
    /// Of the look-ups in the semantic cache those that hit, 0 to 1.
    pub cache_hit_rate: Option<f64>,
}

/// Percentiles of a duration, read from a histogram: within a bucket taken as evenly spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The median.
    pub p50: Duration,
    /// 95 of 100 are no longer.
    pub p95: Duration,
    /// 99 of 100 are no longer.
    pub p99: Duration,
}

/// What one agent did over a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentFigures {
    /// Its id; `none` stands for turns that ended before anybody had them.
    pub id: Arc<str>,
    /// Turns that ended with it.
    pub turns: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// How long its turns took.
    pub latency: Option<Latency>,
    /// Tokens that its providers reported.
    pub tokens: Option<u64>,
    /// What they cost, in USD.
    pub cost: Option<f64>,
    /// Of its look-ups in the semantic cache those that hit, 0 to 1.
    pub cache_hit_rate: Option<f64>,
}

/// All there was since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// Turns that ended.
    pub turns: u64,
    /// Turns that failed.
    pub errors: u64,
    /// Tokens that providers reported.
    pub tokens: Option<u64>,
    /// What they cost, in USD.
    pub cost: Option<f64>,
}

/// Rates over less than this say more of chance than of the server.
const RATE_MIN: Duration = Duration::from_secs(1);

/// What one server counted over a stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stretch {
    over: Duration,
    counts: Counts,
    first_event: Distribution,
}

impl Stretch {
    pub(super) fn between(from: &Reading, to: &Reading) -> Self {
        Self {
            over: to.at.saturating_sub(from.at),
            counts: to.counts.since(&from.counts),
            first_event: to.first_event.since(&from.first_event),
        }
    }

    #[cfg(test)]
    pub(super) fn set(&mut self, over: Duration, turns: u64) {
        (self.over, self.counts.turns) = (over, turns);
    }

    /// An amount of it, each second.
    fn each_second(&self, amount: f64) -> Option<f64> {
        (self.over >= RATE_MIN).then(|| amount / self.over.as_secs_f64())
    }
}

impl Figures {
    /// Of several servers at the same time: rates add up, and so do the observations that percentiles are taken from.
    pub(super) fn of(stretches: &[&Stretch]) -> Self {
        let (mut counts, mut first_event) = (Counts::default(), Distribution::default());
        for stretch in stretches {
            counts.join(&stretch.counts);
            first_event.join(&stretch.first_event);
        }
        let rate = |amount: &dyn Fn(&Counts) -> Option<f64>| {
            let rates = stretches
                .iter()
                .filter_map(|stretch| stretch.each_second(amount(&stretch.counts)?));
            rates.fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
        };
        Self {
            over: stretches.iter().map(|stretch| stretch.over).max().unwrap_or_default(),
            turns: counts.turns,
            errors: counts.errors,
            turns_per_second: rate(&|counts| Some(exact(counts.turns))),
            errors_per_second: rate(&|counts| Some(exact(counts.errors))),
            latency: Latency::of(&counts),
            first_event_p95: duration(first_event.quantile(0.95, SECONDS_BUCKETS)),
            tokens_per_second: rate(&|counts| counts.tokens.map(exact)),
            cost_per_hour: rate(&|counts| counts.cost.map(|cost| cost * 3_600.0)),
            cache_hit_rate: counts.cache_hit_rate(),
        }
    }
}

impl Sum for Gauges {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, gauges| Self {
            sessions: sum.sessions + gauges.sessions,
            connections: sum.connections + gauges.connections,
            turns_in_flight: sum.turns_in_flight + gauges.turns_in_flight,
        })
    }
}

impl Latency {
    fn of(counts: &Counts) -> Option<Self> {
        let quantile = |share| duration(counts.duration.quantile(share, SECONDS_BUCKETS));
        Some(Self {
            p50: quantile(0.5)?,
            p95: quantile(0.95)?,
            p99: quantile(0.99)?,
        })
    }
}

/// What each agent of one server did over a stretch of time: of each that had anything counted by the end.
pub(super) type AgentCounts = Vec<(Arc<str>, Counts)>;

pub(super) fn agents_between(from: &Reading, to: &Reading) -> AgentCounts {
    let nothing = Counts::default();
    let before = |id: &str| {
        let found = from.agents.iter().find(|(known, _)| **known == *id);
        found.map_or(&nothing, |(_, counts)| counts)
    };
    let between = |(id, counts): &(Arc<str>, Counts)| (Arc::clone(id), counts.since(before(id)));
    to.agents.iter().map(between).collect()
}

impl AgentFigures {
    /// Of several servers at the same time, in the order of the agents' ids.
    pub(super) fn of<'a>(servers: impl Iterator<Item = &'a AgentCounts>) -> Vec<Self> {
        let mut agents: BTreeMap<&Arc<str>, Counts> = BTreeMap::new();
        for (id, counts) in servers.flatten() {
            agents.entry(id).or_default().join(counts);
        }
        let figures = |(id, counts): (&Arc<str>, Counts)| Self {
            id: Arc::clone(id),
            turns: counts.turns,
            errors: counts.errors,
            latency: Latency::of(&counts),
            tokens: counts.tokens,
            cost: counts.cost,
            cache_hit_rate: counts.cache_hit_rate(),
        };
        agents.into_iter().map(figures).collect()
    }
}

impl Totals {
    pub(super) fn of<'a>(servers: impl Iterator<Item = &'a Counts>) -> Self {
        let mut all = Counts::default();
        servers.for_each(|counts| all.join(counts));
        let Counts {
            turns,
            errors,
            tokens,
            cost,
            ..
        } = all;
        Self {
            turns,
            errors,
            tokens,
            cost,
        }
    }
}

fn exact(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let exact = count as f64;
    exact
}

fn duration(seconds: Option<f64>) -> Option<Duration> {
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
