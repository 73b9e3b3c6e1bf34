//! What is counted for one agent: its labels are resolved once.

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{AgentId, Rating};
use prometheus::{Counter, CounterVec, Histogram, HistogramVec, IntCounter, IntCounterVec, core::Collector, proto};

use crate::{
    labels::{CacheStatus, LabelValue, PerValue, TurnOutcome},
    names,
    registration::{counter_vec, float_counter_vec, histogram_vec},
};

/// The label of what is spent for no agent: no id of one is empty.
const NOBODY: &str = "";

/// The vectors that have an agent as their first label.
#[derive(Debug)]
pub(crate) struct AgentVectors {
    turns: IntCounterVec,
    turn_parts: IntCounterVec,
    feedback: IntCounterVec,
    turn_duration: HistogramVec,
    cache_requests: IntCounterVec,
    tokens: IntCounterVec,
    cost: CounterVec,
    tokens_unpriced: IntCounterVec,
}

impl AgentVectors {
    pub(crate) fn register(registry: &prometheus::Registry) -> Self {
        Self {
            turns: counter_vec(registry, &names::TURNS),
            turn_parts: counter_vec(registry, &names::TURN_PARTS),
            feedback: counter_vec(registry, &names::FEEDBACK),
            turn_duration: histogram_vec(registry, &names::TURN_DURATION, names::SECONDS_BUCKETS),
            cache_requests: counter_vec(registry, &names::CACHE_REQUESTS),
            tokens: counter_vec(registry, &names::TOKENS),
            cost: float_counter_vec(registry, &names::COST),
            tokens_unpriced: counter_vec(registry, &names::TOKENS_UNPRICED),
        }
    }

    /// Somebody has rated an answer.
    pub(crate) fn rated(&self, agent: &str, rating: Rating) {
        self.feedback.with_label_values(&[agent, rating.as_str()]).inc();
    }

    /// A person is no agent: there are no figures of theirs before they have done something.
    pub(crate) fn turn_ended_by_person(&self, outcome: TurnOutcome) {
        self.turns.with_label_values(&[AgentId::PERSON, outcome.name()]).inc();
    }

    /// What is spent on a model for no agent.
    pub(crate) fn of_nobody(&self, model: &str) -> UsageMetrics {
        self.usage(NOBODY, model)
    }

    fn usage(&self, agent: &str, model: &str) -> UsageMetrics {
        UsageMetrics {
            tokens: self.tokens.with_label_values(&[agent, model]),
            cost: self.cost.with_label_values(&[agent, model]),
            unpriced: self.tokens_unpriced.with_label_values(&[agent, model]),
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

/// A count of one agent.
pub(crate) enum AgentCount<'a> {
    /// Turns that ended in one way.
    Turns {
        failed: bool,
        turns: u64,
    },
    /// How long they took.
    Durations(&'a proto::Histogram),
    CacheHits(u64),
    CacheMisses(u64),
    /// Of one model.
    Tokens(u64),
    /// Of one model.
    Cost(f64),
}

impl AgentVectors {
    /// Tells every count of every agent.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&str, AgentCount<'_>)) {
        each(&self.turns, |metric, agent| {
            let failed = label(metric, "outcome") == TurnOutcome::Failed.as_str();
            let turns = count(metric);
            visit(agent, AgentCount::Turns { failed, turns });
        });
        each(&self.turn_duration, |metric, agent| {
            visit(agent, AgentCount::Durations(metric.get_histogram()));
        });
        each(&self.cache_requests, |metric, agent| {
            let requests = count(metric);
            let is_hit = label(metric, "status") == CacheStatus::Hit.as_str();
            visit(
                agent,
                match is_hit {
                    true => AgentCount::CacheHits(requests),
                    false => AgentCount::CacheMisses(requests),
                },
            );
        });
        each(&self.tokens, |metric, agent| {
            visit(agent, AgentCount::Tokens(count(metric)));
        });
        each(&self.cost, |metric, agent| {
            visit(agent, AgentCount::Cost(metric.get_counter().get_value()));
        });
    }
}

/// Every metric of a family that is of an agent, with that.
fn each(family: &impl Collector, mut visit: impl FnMut(&proto::Metric, &str)) {
    for family in family.collect() {
        for metric in family.get_metric() {
            let agent = label(metric, "agent");
            if agent != NOBODY {
                visit(metric, agent);
            }
        }
    }
}

fn label<'a>(metric: &'a proto::Metric, name: &str) -> &'a str {
    let found = metric.get_label().iter().find(|label| label.name() == name);
    found.map_or("", |label| label.value())
}

/// A counter of whole things.
fn count(metric: &proto::Metric) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it never was anything but a count, below 2^52"
    )]
    let count = metric.get_counter().get_value() as u64;
    count
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
        self.vectors.usage(&self.id, model)
    }
}

/// What one agent, or nobody, spends on one model. Made by [`AgentMetrics::model`]; keep it where it is used.
#[derive(Debug, Clone)]
pub struct UsageMetrics {
    tokens: IntCounter,
    cost: Counter,
    unpriced: IntCounter,
}

impl UsageMetrics {
    /// A provider has reported `tokens`, which cost `usd` but for `unpriced` of them, whose price is not known. A cost that is negative
    /// or no number is not counted.
    pub fn spent(&self, tokens: u64, usd: f64, unpriced: u64) {
        self.tokens.inc_by(tokens);
        self.unpriced.inc_by(unpriced);
        if usd.is_finite() && usd > 0.0 {
            self.cost.inc_by(usd);
        }
    }
}
