//! The trace that a request belongs to, by W3C Trace Context.

use actix_web::http::header::{HeaderMap, HeaderName};
use orchestratai_telemetry::TraceParent;
use tracing::Span;

/// The span of the caller that a request continues.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static(TraceParent::TRACEPARENT);
/// What other systems have noted about it.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static(TraceParent::TRACESTATE);

/// Makes the span of a request continue that of its caller, where it names a valid one.
pub(crate) fn continue_in(span: &Span, headers: &HeaderMap) {
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    if let Some(parent) = headers.get(TRACEPARENT).and_then(text) {
        // The state may be spread over several headers.
        let state: Vec<_> = headers.get_all(TRACESTATE).filter_map(text).collect();
        let state = (!state.is_empty()).then(|| state.join(","));
        if let Some(parent) = TraceParent::parse(&parent, state.as_deref()) {
            parent.continue_in(span);
        }
    }
    if let Some(own) = TraceParent::of(span) {
        span.record("trace.id", own.trace_id());
    }
}

/// The span that is worked in, for those who continue it.
pub(crate) fn current() -> Option<TraceParent> {
    TraceParent::of(&Span::current())
}
