//! What is counted for one agent: its labels are resolved once.

use std::{sync::Arc, time::Duration};

use prometheus::{Counter, CounterVec, Histogram, HistogramVec, IntCounter, IntCounterVec};

use crate::{
    labels::{CacheStatus, PerValue, TurnOutcome},
    metrics::{counter_vec, float_counter_vec, histogram_vec},
    names,
};

/// The vectors that have an agent as their first label.
#[derive(Debug)]
pub(crate) struct AgentVectors {
    turns: IntCounterVec,
    turn_parts: IntCounterVec,
    turn_duration: HistogramVec,
    cache_requests: IntCounterVec,
    tokens: IntCounterVec,
    cost: CounterVec,
}

impl AgentVectors {
    pub(crate) fn register(registry: &prometheus::Registry) -> Self {
        Self {
            turns: counter_vec(registry, &names::TURNS),
            turn_parts: counter_vec(registry, &names::TURN_PARTS),
            turn_duration: histogram_vec(registry, &names::TURN_DURATION, names::SECONDS_BUCKETS),
            cache_requests: counter_vec(registry, &names::CACHE_REQUESTS),
            tokens: counter_vec(registry, &names::TOKENS),
            cost: float_counter_vec(registry, &names::COST),
        }
    }

    pub(crate) fn resolve(self: &Arc<Self>, agent: &str) -> AgentMetrics {
        AgentMetrics {
            turns: PerValue::resolve::<TurnOutcome, _>(&self.turns, &[agent]),
            turn_parts: PerValue::resolve::<TurnOutcome, _>(&self.turn_parts, &[agent]),
            turn_duration: PerValue::resolve::<TurnOutcome, _>(&self.turn_duration, &[agent]),
            cache_requests: PerValue::resolve::<CacheStatus, _>(&self.cache_requests, &[agent]),
            id: agent.into(),
            vectors: Arc::clone(self),
        }
    }
}

/// What is counted for one agent. Made by [`Metrics::agent`](crate::Metrics::agent); keep it where it is used.
#[derive(Debug, Clone)]
pub struct AgentMetrics {
    turns: PerValue<IntCounter>,
    turn_parts: PerValue<IntCounter>,
    turn_duration: PerValue<Histogram>,
    cache_requests: PerValue<IntCounter>,
    id: Arc<str>,
    vectors: Arc<AgentVectors>,
}

impl AgentMetrics {
    /// A turn has ended. `duration` is from the commit of `message_accepted` to the commit of its terminal event.
    pub fn turn_ended(&self, outcome: TurnOutcome, duration: Duration) {
        self.turns.get(outcome).inc();
        self.turn_duration.get(outcome).observe(duration.as_secs_f64());
    }

    /// A part of a turn that several agents answer together has ended.
    pub fn part_ended(&self, outcome: TurnOutcome) {
        self.turn_parts.get(outcome).inc();
    }

    /// The semantic cache was asked.
    pub fn cache_asked(&self, hit: bool) {
        let status = if hit { CacheStatus::Hit } else { CacheStatus::Miss };
        self.cache_requests.get(status).inc();
    }

    /// What is counted for one of its models. `model` comes from configuration, never from a client.
    #[must_use]
    pub fn model(&self, model: &str) -> UsageMetrics {
        UsageMetrics {
            tokens: self.vectors.tokens.with_label_values(&[&*self.id, model]),
            cost: self.vectors.cost.with_label_values(&[&*self.id, model]),
        }
    }
}

/// What one agent spends on one model. Made by [`AgentMetrics::model`]; keep it where it is used.
#[derive(Debug, Clone)]
pub struct UsageMetrics {
    tokens: IntCounter,
    cost: Counter,
}

impl UsageMetrics {
    /// A provider has reported `tokens`, which cost `usd`. A cost that is negative or no number is not counted.
    pub fn spent(&self, tokens: u64, usd: f64) {
        self.tokens.inc_by(tokens);
        if usd.is_finite() && usd > 0.0 {
            self.cost.inc_by(usd);
        }
    }
}
