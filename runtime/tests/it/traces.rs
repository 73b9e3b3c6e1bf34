//! Traces: a turn is one tree in a real collector, whatever way it came in; and no collector can disturb one.

pub(crate) mod collector;

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use orchestratai_shared::SessionId;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    client::Socket,
    server::{Launch, Server},
};
use collector::{Collector, Span};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const QUESTION: &str = "How do I rotate an API key without downtime?";

fn traceparent() -> String {
    format!("00-{TRACE}-{CALLER}-01")
}

fn launch(endpoint: &str) -> Launch {
    Launch::new().setting("telemetry.traces_endpoint", endpoint)
}

fn of_trace(spans: &[Span], trace: &str) -> Vec<Span> {
    spans.iter().filter(|span| span.trace == trace).cloned().collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// All spans of one trace hang together below `root`, whose parent is `parent`.
#[track_caller]
fn check_tree(spans: &[Span], root: &str, parent: &str) {
    let ids: BTreeSet<_> = spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "a span has come twice");
    for span in spans {
        match span.name == root {
            true => assert_eq!(span.parent, parent, "{span:?}"),
            false => assert!(
                ids.contains(span.parent.as_str()),
                "its parent is missing: {span:?}\n{spans:#?}"
            ),
        }
    }
    assert_eq!(named(spans, root).len(), 1, "{spans:#?}");
}

/// The parts of a turn that every turn with a search has, with their parents.
#[track_caller]
fn check_turn(spans: &[Span], session_id: SessionId, agent: &str) {
    let one = |name: &str| match named(spans, name).as_slice() {
        [one] => *one,
        several => panic!("{name}: {several:#?}\n{spans:#?}"),
    };
    let turn = one("turn");
    assert_eq!(turn.attributes["gen_ai.conversation.id"], session_id.to_string());
    assert_eq!(turn.attributes["gen_ai.agent.id"], agent);
    assert_eq!(turn.attributes["orchestratai.turn.outcome"], "completed");
    let route = one("route");
    assert_eq!(
        (&route.parent, route.attributes["gen_ai.agent.id"].as_str()),
        (&turn.id, agent)
    );
    let run = one(&format!("invoke_agent {agent}"));
    assert_eq!(
        (&run.parent, run.attributes["gen_ai.operation.name"].as_str()),
        (&turn.id, "invoke_agent")
    );
    for (operation, attribute) in [("retrieval", "gen_ai.data_source.id"), ("chat", "gen_ai.request.model")] {
        let parts: Vec<_> = spans.iter().filter(|span| span.name.starts_with(operation)).collect();
        assert_eq!(parts.len(), 1, "{spans:#?}");
        assert_eq!(parts[0].parent, run.id);
        assert_eq!(parts[0].attributes["gen_ai.operation.name"], operation);
        assert_eq!(parts[0].name, format!("{operation} {}", parts[0].attributes[attribute]));
    }
    let commits = named(spans, "commit");
    assert!(
        commits.len() >= 2 && commits.iter().all(|commit| commit.parent == turn.id),
        "{commits:#?}"
    );
}

#[tokio::test]
async fn a_turn_over_rest_is_one_tree_that_continues_its_callers_trace() {
    let collector = Collector::start();
    let server = launch(&collector.endpoint())
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret%20key")
        .variable("OTEL_SERVICE_NAME", "support")
        .start()
        .await;
    let (rest, session_id) = (server.rest(), SessionId::new());
    let request = rest
        .request(Method::POST, "/api/chat")
        .header("traceparent", traceparent())
        .header("tracestate", "vendor=1")
        .json(&json!({"message": QUESTION, "session_id": session_id, "fresh": true}));
    let answer = rest.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let agent = answer.body["agent"].as_str().unwrap();

    let spans = collector
        .until(|spans| !named(spans, "turn").is_empty() && !named(spans, "POST /api/chat").is_empty())
        .await;
    let spans = of_trace(&spans, TRACE);
    check_tree(&spans, "POST /api/chat", CALLER);
    check_turn(&spans, session_id, agent);
    let request = named(&spans, "POST /api/chat")[0];
    assert!(request.is_server);
    assert_eq!(request.attributes["http.request.method"], "POST");
    assert_eq!(request.attributes["http.response.status_code"], "200");
    assert_eq!(named(&spans, "turn")[0].parent, request.id);
    for span in &spans {
        assert_eq!(span.state, "vendor=1", "{span:?}");
        assert_eq!(span.resource["service.name"], "support");
        assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert!(!span.resource["service.instance.id"].is_empty());
    }
    assert_eq!(collector.headers()["x-key"], "s3cret key");

    // Nothing of what was said, and nothing of those who only watch.
    let all = collector.debug();
    assert!(!all.contains("rotate") && !all.contains("downtime"), "{all}");
    assert!(!all.contains("/api/health"), "{all}");
    assert!(!server.log().contains("s3cret"), "{}", server.log());
    // Whoever looks from a log line finds the trace.
    let line = format!("trace.id=\"{TRACE}\"");
    assert!(
        server
            .log()
            .lines()
            .any(|log| log.contains("a turn ended") && log.contains(&line)),
        "{}",
        server.log()
    );
}

#[tokio::test]
async fn a_streamed_turn_continues_its_request() {
    let collector = Collector::start();
    let server = launch(&collector.endpoint()).start().await;
    let (rest, session_id) = (server.rest(), SessionId::new());
    let request = rest
        .request(Method::POST, "/api/chat/stream")
        .header("traceparent", traceparent())
        .json(&json!({"message": QUESTION, "session_id": session_id}));
    assert_eq!(rest.send(request).await.status, StatusCode::OK);
    let spans = collector.until(|spans| !named(spans, "turn").is_empty()).await;
    let spans = of_trace(&spans, TRACE);
    check_tree(&spans, "POST /api/chat/stream", CALLER);
    assert_eq!(named(&spans, "turn").len(), 1);
}

#[tokio::test]
async fn each_message_of_a_websocket_is_a_trace_of_its_own_that_points_at_the_handshake() {
    let collector = Collector::start();
    let server = launch(&collector.endpoint()).start().await;
    let headers = [("traceparent", traceparent())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut socket = Socket::connect_with(server.address(), "", None, &headers)
        .await
        .unwrap();
    let session_id = socket.ready().await.session_id();
    for _ in 0..2 {
        assert_eq!(socket.turn(QUESTION).await.last().unwrap().kind(), "message_completed");
    }

    let spans = collector.until(|spans| named(spans, "turn").len() == 2).await;
    let handshake = of_trace(&spans, TRACE);
    assert_eq!(handshake.len(), 1, "{handshake:#?}");
    assert_eq!(
        (handshake[0].name.as_str(), handshake[0].parent.as_str()),
        ("GET /api/ws", CALLER)
    );
    let messages = named(&spans, "send_message");
    assert_eq!(messages.len(), 2, "{spans:#?}");
    assert_ne!(messages[0].trace, messages[1].trace);
    for message in messages {
        assert_eq!(message.links, [(TRACE.to_owned(), handshake[0].id.clone())]);
        let spans = of_trace(&spans, &message.trace);
        check_tree(&spans, "send_message", "");
        let turn = named(&spans, "turn")[0];
        assert_eq!(turn.attributes["gen_ai.conversation.id"], session_id.to_string());
        assert_eq!(turn.parent, message.id);
    }
}

#[tokio::test]
async fn a_caller_decides_whether_its_trace_is_sent_and_the_share_decides_for_the_others() {
    let collector = Collector::start();
    let server = launch(&collector.endpoint())
        .setting("telemetry.traces_sample_ratio", "0")
        .start()
        .await;
    let rest = server.rest();
    let say = async |traceparent: Option<String>| {
        let mut request = rest
            .request(Method::POST, "/api/chat")
            .json(&json!({"message": QUESTION, "session_id": SessionId::new()}));
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        assert_eq!(rest.send(request).await.status, StatusCode::OK);
    };
    say(None).await;
    say(Some(format!("00-{}-{CALLER}-00", TRACE.replace('0', "1")))).await;
    say(Some(traceparent())).await;
    let spans = collector
        .until(|spans| !named(spans, "turn").is_empty() && !named(spans, "POST /api/chat").is_empty())
        .await;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
}

/// The number that a metric has.
async fn metric(server: &Server, name: &str) -> u64 {
    let answer = server.rest().get("/metrics").await;
    let text = answer.body.as_str().unwrap().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}")).trim().parse().unwrap()
}

/// Threads that gather spans.
fn senders(server: &Server) -> usize {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("OpenTelemetry")).count()
}

#[tokio::test]
async fn a_collector_that_hangs_slows_neither_turns_nor_the_stop_and_what_is_lost_is_counted() {
    // It accepts, and says nothing ever.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut server = launch(&endpoint)
        .setting("telemetry.traces_timeout", "1m")
        .setting("telemetry.traces_queue_max", "20")
        .start()
        .await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(socket.turn(QUESTION).await.last().unwrap().kind(), "message_completed");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "20 turns took {took:?}");
    let dropped = metric(&server, "orchestratai_trace_spans_dropped_total{reason=\"queue\"}").await;
    assert!(dropped >= 20 * 5 - 20, "{dropped} spans were dropped");
    assert_eq!(senders(&server), 1);

    socket.close().await;
    let began = Instant::now();
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "the stop took {took:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_of_once_and_found_when_it_comes() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let server = launch(&format!("http://{address}")).start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    let dropped = "orchestratai_trace_spans_dropped_total{reason=\"collector\"}";
    let began = Instant::now();
    let mut seen = 0;
    // Two batches at least, in two requests.
    let mut batches = 0;
    while batches < 2 {
        socket.turn(QUESTION).await;
        let now = metric(&server, dropped).await;
        batches += usize::from(now > seen);
        seen = now;
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nothing is dropped\n{}",
            server.log()
        );
    }
    let told = |text: &str| server.log().lines().filter(|line| line.contains(text)).count();
    assert_eq!(told("the collector does not take traces"), 1, "{}", server.log());

    let collector = Collector::start_on(TcpListener::bind(address).unwrap());
    while named(&collector.spans(), "turn").is_empty() {
        socket.turn(QUESTION).await;
        assert!(began.elapsed() < Duration::from_secs(60), "{}", server.log());
    }
    assert_eq!(told("the collector takes traces again"), 1, "{}", server.log());
    assert_eq!(told("the collector does not take traces"), 1, "{}", server.log());
    assert!(metric(&server, "orchestratai_trace_spans_sent_total").await > 0);
}

#[tokio::test]
async fn what_waits_is_sent_before_the_server_ends() {
    let collector = Collector::start();
    let mut server = launch(&collector.endpoint()).start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    for _ in 0..3 {
        socket.turn(QUESTION).await;
    }
    socket.close().await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(named(&collector.spans(), "turn").len(), 3);
}

#[tokio::test]
async fn traces_are_off_where_no_collector_is_named() {
    let server = Launch::new().start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    socket.turn(QUESTION).await;
    assert_eq!(senders(&server), 0);
    assert!(!server.log().contains("trace.id"), "{}", server.log());
}
