//! Which traces are kept.

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use super::conventions::HTTP_PATH;

/// Keeps what a caller keeps, and of what begins here a share. What only asks how the server is, every few seconds for ever, is
/// never kept.
#[derive(Debug, Clone)]
pub(super) struct TurnSampler(Sampler);

/// What is asked for by those who watch.
const WATCHED: [&str; 2] = ["/api/health", "/metrics"];

impl TurnSampler {
    /// `ratio` in 0..=1.
    pub(super) fn new(ratio: f64) -> Self {
        Self(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
    }
}

impl ShouldSample for TurnSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let watches = attributes.iter().any(|attribute| {
            let value = attribute.value.as_str();
            attribute.key.as_str() == HTTP_PATH && WATCHED.iter().any(|path| value.starts_with(path))
        });
        if !watches {
            return self.0.should_sample(parent, trace_id, name, kind, attributes, links);
        }
        let state = parent.map(|parent| parent.span().span_context().trace_state().clone());
        SamplingResult {
            decision: SamplingDecision::Drop,
            attributes: Vec::new(),
            trace_state: state.unwrap_or_default(),
        }
    }
}
