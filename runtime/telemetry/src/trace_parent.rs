//! How a trace goes on from one process to the next, by W3C Trace Context.

use std::{collections::HashMap, fmt, str::FromStr};

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The span that others continue: its trace, whether that is sampled, and what other systems have noted about it. As a text it is
/// the header `traceparent`, followed by a space and `tracestate` where there is any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceParent(SpanContext);

/// A text is not a [`TraceParent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trace parent is 00-TRACE-SPAN-FLAGS in hexadecimal digits, by W3C Trace Context")]
pub struct InvalidTraceParent;

/// Longer states are left out, as the specification allows beyond 512 characters.
const STATE_CHARS_MAX: usize = 512;

impl TraceParent {
    /// The header of HTTP that names the span.
    pub const TRACEPARENT: &'static str = "traceparent";
    /// The header of HTTP with what other systems have noted.
    pub const TRACESTATE: &'static str = "tracestate";

    /// Reads the two headers; `None` where the first is not valid, by which the trace begins anew.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let state = tracestate.filter(|state| state.len() <= STATE_CHARS_MAX);
        let mut headers = HashMap::from([(Self::TRACEPARENT.to_owned(), traceparent.to_owned())]);
        headers.extend(state.map(|state| (Self::TRACESTATE.to_owned(), state.to_owned())));
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let parent = context.span().span_context().clone();
        parent.is_valid().then_some(Self(parent))
    }

    /// A span of ours, for whoever continues it. `None` where traces are off, or do not see the span.
    #[must_use]
    pub fn of(span: &Span) -> Option<Self> {
        let parent = span.context().span().span_context().clone();
        parent.is_valid().then_some(Self(parent))
    }

    /// Makes a span continue this one. It must be new: before it has children and before anybody has asked for its own
    /// [`TraceParent`]. Does nothing where traces are off.
    pub fn continue_in(&self, span: &Span) {
        // It fails only where traces do not see the span.
        let _ = span.set_parent(Context::new().with_remote_span_context(self.0.clone()));
    }

    /// Makes a span of another trace point at this one. Does nothing where traces are off.
    pub fn link_from(&self, span: &Span) {
        span.add_link(self.0.clone());
    }

    /// The header [`Self::TRACEPARENT`], for an outgoing request.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let Self(span) = self;
        format!(
            "00-{}-{}-{:02x}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags().to_u8()
        )
    }

    /// The header [`Self::TRACESTATE`], for an outgoing request; `None` where there is nothing in it.
    #[must_use]
    pub fn tracestate(&self) -> Option<String> {
        Some(self.0.trace_state().header()).filter(|state| !state.is_empty())
    }

    /// The id of the trace, 32 hexadecimal digits: what one looks for in Jaeger or Tempo.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.traceparent())?;
        self.tracestate().map_or(Ok(()), |state| write!(f, " {state}"))
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (parent, state) = match text.split_once(' ') {
            Some((parent, state)) => (parent, Some(state)),
            None => (text, None),
        };
        Self::parse(parent, state).ok_or(InvalidTraceParent)
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

impl TryFrom<String> for TraceParent {
    type Error = InvalidTraceParent;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            PARENT.to_owned(),
            PARENT.replace("-01", "-00"),
            format!("{PARENT} vendor=1,other=two"),
        ] {
            let parent: TraceParent = text.parse().unwrap();
            assert_eq!(parent.to_string(), text);
        }
        let parent: TraceParent = format!("{PARENT} vendor=1").parse().unwrap();
        assert_eq!(parent.traceparent(), PARENT);
        assert_eq!(parent.tracestate().as_deref(), Some("vendor=1"));
        assert_eq!(parent.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn what_is_not_valid_is_no_parent_and_a_bad_state_is_left_out() {
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033310-01",
        ] {
            assert_eq!(TraceParent::parse(bad, None), None, "{bad}");
        }
        let long = format!("vendor={}", "x".repeat(STATE_CHARS_MAX));
        for state in ["", "no pairs", &long] {
            let parent = TraceParent::parse(PARENT, Some(state)).unwrap();
            assert_eq!(parent.tracestate(), None, "{state:.40}");
        }
    }

    #[test]
    fn where_traces_are_off_a_span_has_none_and_continuing_one_does_nothing() {
        let off = tracing_subscriber::registry();
        tracing::subscriber::with_default(off, || {
            let span = tracing::info_span!("request");
            let parent = TraceParent::parse(PARENT, None).unwrap();
            parent.continue_in(&span);
            parent.link_from(&span);
            assert_eq!(TraceParent::of(&span), None);
        });
    }
}
