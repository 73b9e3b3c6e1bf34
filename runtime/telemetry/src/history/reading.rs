//! The metrics at one moment.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{distribution::Distribution, span::Gauges};
use crate::{Metrics, agent::AgentCount};

/// Counters at one moment; each only ever grows.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Since the start.
    pub(super) at: Duration,
    /// By the clock on the wall.
    pub(super) time: SystemTime,
    /// All agents together.
    pub(super) counts: Counts,
    pub(super) first_event: Distribution,
    pub(super) gauges: Gauges,
    /// Each agent that has anything counted, in the order of their ids.
    pub(super) agents: Agents,
}

/// What is counted for each of several agents.
pub(super) type Agents = Arc<[(Arc<str>, Counts)]>;

/// What is counted for an agent, or for several.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) turns: u64,
    pub(super) errors: u64,
    pub(super) duration: Distribution,
    pub(super) cache_hits: u64,
    pub(super) cache_misses: u64,
    /// None where there is no model that could report any.
    pub(super) tokens: Option<u64>,
    pub(super) cost: Option<f64>,
}

impl Reading {
    pub(super) fn of(metrics: &Metrics, at: Duration, time: SystemTime) -> Self {
        let mut agents: BTreeMap<String, Counts> = BTreeMap::new();
        metrics.count_agents(|agent, count| agents.entry(agent.to_owned()).or_default().add(&count));
        let mut counts = Counts::default();
        agents.values().for_each(|agent| counts.join(agent));
        // An agent has its counters from the start, whether or not it ever has a turn.
        agents.retain(|_, counts| !counts.are_nothing());
        let mut first_event = Distribution::default();
        metrics.first_events(|histogram| first_event.add(histogram));
        Self {
            at,
            time,
            counts,
            first_event,
            gauges: metrics.gauges(),
            agents: agents.into_iter().map(|(id, counts)| (id.into(), counts)).collect(),
        }
    }
}

impl Counts {
    fn add(&mut self, count: &AgentCount<'_>) {
        match count {
            AgentCount::Turns { failed, turns } => {
                self.turns += turns;
                if *failed {
                    self.errors += turns;
                }
            }
            AgentCount::Durations(histogram) => self.duration.add(histogram),
            AgentCount::CacheHits(hits) => self.cache_hits += hits,
            AgentCount::CacheMisses(misses) => self.cache_misses += misses,
            AgentCount::Tokens(tokens) => *self.tokens.get_or_insert(0) += tokens,
            AgentCount::Cost(usd) => *self.cost.get_or_insert(0.0) += usd,
        }
    }

    /// Adds what another has counted.
    pub(super) fn join(&mut self, other: &Self) {
        self.turns += other.turns;
        self.errors += other.errors;
        self.duration.join(&other.duration);
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        self.tokens = sum(self.tokens, other.tokens, |a, b| a + b);
        self.cost = sum(self.cost, other.cost, |a, b| a + b);
    }

    fn are_nothing(&self) -> bool {
        self.turns + self.cache_hits + self.cache_misses + self.tokens.unwrap_or(0) == 0
    }

    /// What came in between an earlier state and this one.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            turns: self.turns.saturating_sub(earlier.turns),
            errors: self.errors.saturating_sub(earlier.errors),
            duration: self.duration.since(&earlier.duration),
            cache_hits: self.cache_hits.saturating_sub(earlier.cache_hits),
            cache_misses: self.cache_misses.saturating_sub(earlier.cache_misses),
            tokens: self
                .tokens
                .map(|tokens| tokens.saturating_sub(earlier.tokens.unwrap_or(0))),
            cost: self.cost.map(|cost| (cost - earlier.cost.unwrap_or(0.0)).max(0.0)),
        }
    }

    /// Between 0 and 1; none where the cache was not asked.
    pub(super) fn cache_hit_rate(&self) -> Option<f64> {
        let asked = self.cache_hits + self.cache_misses;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        (asked > 0).then(|| self.cache_hits as f64 / asked as f64)
    }
}

fn sum<T: Copy>(a: Option<T>, b: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(add(a, b)),
        (one, None) | (None, one) => one,
    }
}
