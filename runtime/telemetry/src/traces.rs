//! Traces: the spans of a turn, sent by OTLP over HTTP to a collector. Off unless an address of one is set.
//!
//! In reading order:
//! - [`collector`]: where to send, and what to show there;
//! - [`sampling`]: which traces are kept;
//! - [`conventions`]: the words by which OpenTelemetry knows what our spans say;
//! - [`span_queue`]: the way there, which is bounded and disturbs nobody.

mod collector;
mod conventions;
mod sampling;
mod span_queue;

use std::time::Duration;

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::{SdkTracerProvider, SpanLimits},
};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    filter::filter_fn,
    layer::{Filter, Layer},
    registry::LookupSpan,
};

pub use collector::{CollectorAddress, CollectorHeaders};

use crate::metrics::{BuildInfo, Metrics};
use sampling::TurnSampler;
use span_queue::SpanQueue;

/// Where traces are sent, and which.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// The collector.
    pub collector: CollectorAddress,
    /// Headers that the collector asks for, such as a key.
    pub headers: CollectorHeaders,
    /// The share of traces that is sent, 0 to 1; a trace that came in is sent where its caller sends it.
    pub sample_ratio: f64,
    /// How long the collector may take for one batch, attempts after a failure included.
    pub timeout: Duration,
    /// Spans that may wait to be sent; one more is dropped.
    pub queue_max: usize,
    /// What the collector shows as the name of this service.
    pub service_name: String,
}

/// Traces that are on.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The client for the collector cannot be made.
    #[error("the client for the collector cannot be made")]
    Client(#[source] reqwest::Error),
    /// The exporter cannot be made.
    #[error("the exporter for the collector cannot be made")]
    Exporter(#[source] ExporterBuildError),
}

/// Log lines that a span takes along, the first ones: they are warnings and errors, and those that follow mostly say the same.
const EVENTS_MAX: u32 = 16;
const ATTRIBUTES_MAX: u32 = 32;
const LINKS_MAX: u32 = 4;

/// How long a stop waits for what has not been sent.
const STOP_WITHIN: Duration = Duration::from_secs(2);

impl Traces {
    /// Prepares to send; nothing is sent yet. Neither call this nor drop the last clone of what it gives within an asynchronous
    /// runtime: the client has one of its own.
    ///
    /// # Errors
    /// [`TracesError`]. Whether the collector is there does not matter.
    pub fn start(settings: &TraceSettings, build: &BuildInfo, metrics: &Metrics) -> Result<Self, TracesError> {
        let client = reqwest::blocking::Client::builder()
            .timeout(settings.timeout)
            // Headers, a key among them, are for the collector that was named and for nobody whom it names.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(TracesError::Client)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(settings.collector.traces_url())
            .with_headers(settings.headers.pairs().collect())
            .with_timeout(settings.timeout)
            .build()
            .map_err(TracesError::Exporter)?;
        let limits = SpanLimits {
            max_events_per_span: EVENTS_MAX,
            max_attributes_per_span: ATTRIBUTES_MAX,
            max_links_per_span: LINKS_MAX,
            max_attributes_per_event: ATTRIBUTES_MAX,
            max_attributes_per_link: ATTRIBUTES_MAX,
        };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(SpanQueue::new(exporter, settings.queue_max, metrics.clone()))
            .with_sampler(TurnSampler::new(settings.sample_ratio))
            .with_span_limits(limits)
            .with_resource(resource(&settings.service_name, build))
            .build();
        Ok(Self { provider })
    }

    /// What listens to the spans of the process.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            // Nothing asks for the context of the thread, and a turn changes threads often.
            .with_context_activation(false)
            .with_error_events_to_status(false)
            .with_filter(of_this_house())
    }

    /// Sends what waits and ends. Blocks, for two seconds at most: a collector that is away must not keep a process that stops.
    pub fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(STOP_WITHIN) {
            tracing::warn!(%error, "the last spans could not be sent to the collector");
        }
    }
}

/// Spans of our own, and of our log lines the warnings: what libraries say is theirs, and the story is told by the spans.
fn of_this_house<S>() -> impl Filter<S> {
    filter_fn(|metadata: &Metadata<'_>| {
        let finest = if metadata.is_span() { Level::DEBUG } else { Level::WARN };
        *metadata.level() <= finest && metadata.target().starts_with("orchestratai")
    })
}

/// Who sends: name and version of the service, and which of its processes. What `OTEL_RESOURCE_ATTRIBUTES` says comes on top, but for
/// the name, which is a setting.
fn resource(service_name: &str, build: &BuildInfo) -> Resource {
    let instance = uuid::Uuid::new_v4().to_string();
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.version", build.version),
            KeyValue::new("service.instance.id", instance),
        ])
        .with_detectors(&[
            Box::new(TelemetryResourceDetector),
            Box::new(EnvResourceDetector::new()),
        ])
        .with_service_name(service_name.to_owned())
        .build()
}
