//! The words by which OpenTelemetry knows what our spans say: its semantic conventions for HTTP and for generative AI, of version
//! 1.41. In logs our own names stay; docs/monitoring.md lists both.

use opentelemetry::{
    Key, KeyValue,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;

/// The path of a request, as our spans call it.
pub(super) const HTTP_PATH: &str = "http.path";

const HTTP_METHOD: &str = "http.method";
const HTTP_ROUTE: &str = "http.route";
const HTTP_STATUS: &str = "http.status";
const AGENT: &str = "agent.id";
const COLLECTIONS: &str = "collections";
const MODEL: &str = "model";
const ERROR: &str = "error.code";
/// For logs; a span knows its own trace.
const TRACE: &str = "trace.id";

/// Our names of attributes and those of the conventions; what has none there is ours by its prefix.
const ATTRIBUTES: [(&str, &str); 15] = [
    (HTTP_METHOD, "http.request.method"),
    (HTTP_PATH, "url.path"),
    (HTTP_ROUTE, "http.route"),
    (HTTP_STATUS, "http.response.status_code"),
    (AGENT, "gen_ai.agent.id"),
    (COLLECTIONS, "gen_ai.data_source.id"),
    (MODEL, "gen_ai.request.model"),
    (ERROR, "error.type"),
    ("session.id", "gen_ai.conversation.id"),
    ("request.id", "orchestratai.request.id"),
    ("turn.id", "orchestratai.turn.id"),
    ("outcome", "orchestratai.turn.outcome"),
    ("hit", "orchestratai.cache.hit"),
    ("chunks", "orchestratai.retrieval.chunks"),
    ("events", "orchestratai.journal.events"),
];

/// Gives a span the name, kind, status and attributes that others look for.
pub(super) fn apply(mut span: SpanData) -> SpanData {
    span.attributes.retain(|attribute| attribute.key.as_str() != TRACE);
    let said = |key: &str| {
        let attribute = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
        attribute.map(|attribute| attribute.value.to_string())
    };
    let mut added = Vec::new();
    let mut operation = |name: &'static str, of: Option<String>| {
        added.push(KeyValue::new("gen_ai.operation.name", name));
        joined(name, of)
    };
    let (name, kind) = match span.name.as_ref() {
        "request" => {
            let route = said(HTTP_ROUTE).filter(|route| route != "unmatched");
            let method = said(HTTP_METHOD).unwrap_or_default();
            (joined(&method, route), SpanKind::Server)
        }
        "send_message" => {
            added.push(KeyValue::new("network.protocol.name", "websocket"));
            (span.name.to_string(), SpanKind::Server)
        }
        "run" => (operation("invoke_agent", said(AGENT)), SpanKind::Internal),
        "retrieve" => (operation("retrieval", said(COLLECTIONS)), SpanKind::Internal),
        "answer" => (operation("chat", said(MODEL)), SpanKind::Internal),
        own => (own.to_owned(), SpanKind::Internal),
    };
    let server_error = said(HTTP_STATUS).filter(|status| status.starts_with('5'));
    if let Some(code) = said(ERROR) {
        span.status = Status::error(code);
    } else if let Some(status) = server_error {
        added.push(KeyValue::new("error.type", status));
        span.status = Status::error("");
    }
    span.name = name.into();
    span.span_kind = kind;
    for attribute in &mut span.attributes {
        if let Some((_, conventional)) = ATTRIBUTES.iter().find(|(own, _)| *own == attribute.key.as_str()) {
            attribute.key = Key::from_static_str(conventional);
        }
    }
    span.attributes.extend(added);
    span
}

fn joined(name: &str, of: Option<String>) -> String {
    match of {
        Some(of) => format!("{name} {of}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::SystemTime};

    use opentelemetry::{
        InstrumentationScope,
        trace::{SpanContext, SpanId},
    };
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    /// A span of ours as others see it: name, kind, status, attributes.
    fn seen(name: &'static str, attributes: Vec<KeyValue>) -> (String, SpanKind, Status, BTreeMap<String, String>) {
        let span = apply(SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        });
        let attributes = span.attributes.into_iter();
        let attributes = attributes.map(|attribute| (attribute.key.to_string(), attribute.value.to_string()));
        (span.name.into(), span.span_kind, span.status, attributes.collect())
    }

    #[test]
    fn a_request_is_named_by_its_route_and_fails_where_the_server_failed() {
        let request = |route: &'static str, status: i64| {
            seen(
                "request",
                vec![
                    KeyValue::new("http.method", "POST"),
                    KeyValue::new("http.path", "/api/chat"),
                    KeyValue::new("http.route", route),
                    KeyValue::new("http.status", status),
                    KeyValue::new("trace.id", "0af7651916cd43dd8448eb211c80319c"),
                ],
            )
        };
        let (name, kind, status, attributes) = request("/api/chat", 200);
        assert_eq!(
            (name.as_str(), kind, status),
            ("POST /api/chat", SpanKind::Server, Status::Unset)
        );
        assert_eq!(attributes["http.request.method"], "POST");
        assert_eq!(attributes["http.response.status_code"], "200");
        assert_eq!(attributes["url.path"], "/api/chat");
        assert!(!attributes.contains_key("trace.id"), "{attributes:?}");
        // What the client did wrong is no failure of the server.
        let (name, _, status, _) = request("unmatched", 404);
        assert_eq!((name.as_str(), status), ("POST", Status::Unset));
        let (_, _, status, attributes) = request("/api/chat", 503);
        assert_eq!((status, attributes["error.type"].as_str()), (Status::error(""), "503"));
    }

    #[test]
    fn a_failed_turn_has_the_status_and_type_of_its_error() {
        let failed = vec![
            KeyValue::new("outcome", "failed"),
            KeyValue::new("error.code", "TIMEOUT"),
        ];
        let (name, _, status, attributes) = seen("turn", failed);
        assert_eq!((name.as_str(), status), ("turn", Status::error("TIMEOUT")));
        assert_eq!(attributes["error.type"], "TIMEOUT");
        assert_eq!(attributes["orchestratai.turn.outcome"], "failed");
    }

    #[test]
    fn what_an_agent_does_has_the_names_of_generative_ai() {
        let cases = [
            ("run", "agent.id", "billing", "invoke_agent"),
            ("retrieve", "collections", "billing", "retrieval"),
            ("answer", "model", "embedded-extractive", "chat"),
        ];
        for (own, key, value, operation) in cases {
            let (name, kind, _, attributes) = seen(own, vec![KeyValue::new(key, value)]);
            assert_eq!((name, kind), (format!("{operation} {value}"), SpanKind::Internal));
            assert_eq!(attributes["gen_ai.operation.name"], operation);
        }
    }
}
