//! The way of spans to the collector. A turn only puts its spans into a queue, and drops them where that is full.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

use super::conventions;
use crate::{labels::SpanDropReason, metrics::Metrics};

/// Spans in one request to the collector.
const BATCH_MAX: usize = 512;
/// How long a span waits for others to be sent with.
const SEND_EVERY: Duration = Duration::from_secs(1);

/// Spans that wait for the collector. The batches are the library's, on a thread of its own; the bound is ours, so that what is lost is
/// counted and what is being sent counts towards it.
#[derive(Debug)]
pub(super) struct SpanQueue {
    batches: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    max: usize,
    metrics: Metrics,
}

impl SpanQueue {
    pub(super) fn new(exporter: OtlpExporter, max: usize, metrics: Metrics) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let exporter = CountedExporter {
            exporter,
            waiting: Arc::clone(&waiting),
            is_failing: AtomicBool::new(false),
            metrics: metrics.clone(),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(max)
            .with_max_export_batch_size(max.min(BATCH_MAX))
            .with_scheduled_delay(SEND_EVERY)
            .build();
        Self {
            batches: BatchSpanProcessor::new(exporter, config),
            waiting,
            max,
            metrics,
        }
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::AcqRel) < self.max {
            self.batches.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.metrics.spans_dropped(SpanDropReason::Queue, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sends batches, counts what became of them, and says once that the collector does not take them and once that it does again.
#[derive(Debug)]
struct CountedExporter {
    exporter: OtlpExporter,
    waiting: Arc<AtomicUsize>,
    is_failing: AtomicBool,
    metrics: Metrics,
}

impl SpanExporter for CountedExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let batch = batch.into_iter().map(conventions::apply).collect();
        let outcome = self.exporter.export(batch).await;
        self.waiting.fetch_sub(count, Ordering::AcqRel);
        let was_failing = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match &outcome {
            Ok(()) => {
                self.metrics.spans_sent(count);
                if was_failing {
                    tracing::info!("the collector takes traces again");
                }
            }
            Err(error) => {
                self.metrics.spans_dropped(SpanDropReason::Collector, count);
                if !was_failing {
                    tracing::warn!(%error, "the collector does not take traces; they are dropped until it does");
                }
            }
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
