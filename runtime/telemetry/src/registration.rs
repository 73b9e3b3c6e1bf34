//! How a metric is made from its description, and registered.

use prometheus::{
    CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, core::Collector,
};

use crate::names::MetricDescription;

const VALID: &str = "names and labels stand in one table, and a test registers all of it";

pub(crate) fn register(registry: &Registry, collector: impl Collector + 'static) {
    registry.register(Box::new(collector)).expect(VALID);
}

pub(crate) fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect(VALID);
    register(registry, collector.clone());
    collector
}

fn label_names(metric: &MetricDescription) -> Vec<&'static str> {
    metric.labels.iter().map(|label| label.name).collect()
}

pub(crate) fn counter(registry: &Registry, metric: &MetricDescription) -> IntCounter {
    registered(registry, IntCounter::new(metric.name, metric.help))
}

pub(crate) fn gauge(registry: &Registry, metric: &MetricDescription) -> IntGauge {
    registered(registry, IntGauge::new(metric.name, metric.help))
}

pub(crate) fn histogram(registry: &Registry, metric: &MetricDescription, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
    registered(registry, Histogram::with_opts(options))
}

pub(crate) fn counter_vec(registry: &Registry, metric: &MetricDescription) -> IntCounterVec {
    let options = Opts::new(metric.name, metric.help);
    registered(registry, IntCounterVec::new(options, &label_names(metric)))
}

pub(crate) fn float_counter_vec(registry: &Registry, metric: &MetricDescription) -> CounterVec {
    let options = Opts::new(metric.name, metric.help);
    registered(registry, CounterVec::new(options, &label_names(metric)))
}

pub(crate) fn gauge_vec(registry: &Registry, metric: &MetricDescription) -> IntGaugeVec {
    let options = Opts::new(metric.name, metric.help);
    registered(registry, IntGaugeVec::new(options, &label_names(metric)))
}

pub(crate) fn float_gauge_vec(registry: &Registry, metric: &MetricDescription) -> GaugeVec {
    let options = Opts::new(metric.name, metric.help);
    registered(registry, GaugeVec::new(options, &label_names(metric)))
}

pub(crate) fn histogram_vec(registry: &Registry, metric: &MetricDescription, buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, &label_names(metric)))
}
