//! What is counted for one budget of language models: its labels are resolved once.

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec};

use crate::{
    names,
    registration::{counter_vec, float_gauge_vec},
};

/// The vectors that have a budget as their label.
#[derive(Debug)]
pub(crate) struct BudgetVectors {
    spent: GaugeVec,
    refusals: IntCounterVec,
    warnings: IntCounterVec,
}

impl BudgetVectors {
    pub(crate) fn register(registry: &prometheus::Registry) -> Self {
        Self {
            spent: float_gauge_vec(registry, &names::BUDGET_SPENT),
            refusals: counter_vec(registry, &names::BUDGET_REFUSALS),
            warnings: counter_vec(registry, &names::BUDGET_WARNINGS),
        }
    }

    pub(crate) fn resolve(&self, budget: &str) -> BudgetMetrics {
        BudgetMetrics {
            spent: self.spent.with_label_values(&[budget]),
            refusals: self.refusals.with_label_values(&[budget]),
            warnings: self.warnings.with_label_values(&[budget]),
        }
    }
}

/// What is counted for one budget. Made by [`Metrics::budget`](crate::Metrics::budget); keep it where it is used.
#[derive(Debug, Clone)]
pub struct BudgetMetrics {
    spent: Gauge,
    refusals: IntCounter,
    warnings: IntCounter,
}

impl BudgetMetrics {
    /// Whoever has most of it charged has this share: 0 to 1, and more where it only warns.
    pub fn spent(&self, share: f64) {
        self.spent.set(share);
    }

    /// A request was not made for its sake.
    pub fn refused(&self) {
        self.refusals.inc();
    }

    /// It has warned.
    pub fn warned(&self) {
        self.warnings.inc();
    }
}
