//! What is counted for one language model at its provider: its labels are resolved once.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use crate::{
    labels::{PerValue, ProviderFailure, ProviderOutcome},
    names,
    registration::{counter_vec, histogram_vec},
};

/// The vectors that have a model as their first label.
#[derive(Debug)]
pub(crate) struct ProviderVectors {
    requests: IntCounterVec,
    errors: IntCounterVec,
    first_token: HistogramVec,
}

impl ProviderVectors {
    pub(crate) fn register(registry: &prometheus::Registry) -> Self {
        Self {
            requests: counter_vec(registry, &names::PROVIDER_REQUESTS),
            errors: counter_vec(registry, &names::PROVIDER_ERRORS),
            first_token: histogram_vec(registry, &names::PROVIDER_FIRST_TOKEN, names::SECONDS_BUCKETS),
        }
    }

    pub(crate) fn resolve(&self, model: &str) -> ProviderMetrics {
        ProviderMetrics {
            requests: PerValue::resolve::<ProviderOutcome, _>(&self.requests, &[model]),
            errors: PerValue::resolve::<ProviderFailure, _>(&self.errors, &[model]),
            first_token: self.first_token.with_label_values(&[model]),
        }
    }
}

/// What is counted for one model. Made by [`Metrics::provider`](crate::Metrics::provider); keep it where it is used.
#[derive(Debug, Clone)]
pub struct ProviderMetrics {
    requests: PerValue<IntCounter>,
    errors: PerValue<IntCounter>,
    first_token: Histogram,
}

impl ProviderMetrics {
    /// A request has ended. `first_token` is how long the first piece of the answer took, where one came.
    pub fn ended(&self, outcome: ProviderOutcome, failure: Option<ProviderFailure>, first_token: Option<Duration>) {
        self.requests.get(outcome).inc();
        if let Some(failure) = failure {
            self.errors.get(failure).inc();
        }
        if let Some(first_token) = first_token {
            self.first_token.observe(first_token.as_secs_f64());
        }
    }
}
