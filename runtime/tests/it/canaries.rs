//! What nobody may read in a log or a trace: a key, an e-mail address, a message, a document, an answer, what a tool was asked and what it said.
//! Each has a word in it that stands nowhere else, and providers and tools repeat them in every way in which they can fail.

mod mcp;
mod people;

use std::time::Duration;

use orchestratai_shared::SessionId;
use reqwest::{
    Method, StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::Frame,
    models::provider::{Provider, Said},
    server::{Launch, Server},
    traces::collector::Collector,
};

/// In all that is secret here, and in nothing else.
const CANARY: &str = "canary";
const KEY: &str = "sk-canary-key-0123456789";
const QUESTION: &str =
    "How do I rotate an API key without downtime? I am ada.canary@example.org and my word is canarybird.";
const DOCUMENT: &str = "# Rotating an API key without downtime\n\nTo rotate an API key without downtime, ask the canarykeeper for a \
    second one. Write to keeper.canary@example.org.\n";

/// Each way in which a provider fails, as it answers the one request that it gets.
fn failures() -> Vec<Vec<Said>> {
    let event = |data: Value| Said::Event(data.to_string());
    let begun = || Said::Text("The canarykeeper says".into());
    let error = json!({"error": {"message": "canary of you", "code": "canary", "type": "canarybird", "status": KEY}});
    let bytes = |bytes: &str| vec![Said::Bytes(bytes.into())];
    vec![
        vec![Said::Echo("400 Bad Request")],
        vec![Said::Echo("401 Unauthorized")],
        vec![Said::Echo("404 Not Found")],
        vec![Said::Echo("429 Too Many Requests")],
        vec![Said::Echo("500 Internal Server Error")],
        vec![Said::Echo("529 canary")],
        vec![Said::RefuseWith("502 Bad Gateway", "<html>canary</html>".into())],
        vec![Said::Refuse(
            "429 Too Many Requests",
            "retry-after: canary\r\nx-error: canary\r\n",
        )],
        vec![Said::Refuse(
            "302 Found",
            "location: http://canary.invalid/?q=canary\r\n",
        )],
        vec![begun(), event(error.clone())],
        vec![event(error)],
        vec![begun(), Said::Event("{\"choices\": \"canary\"}".into())],
        vec![begun(), Said::Event("canary, and no JSON".into())],
        vec![
            begun(),
            event(json!({"choices": [{"delta": {}, "finish_reason": "canary"}]})),
            Said::Die,
        ],
        vec![
            begun(),
            event(json!({"choices": [{"delta": {"content": {"canary": 1}}}]})),
        ],
        vec![begun(), Said::Die],
        bytes("canary\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\ncontent-type: text/canary\r\ncontent-length: 6\r\n\r\ncanary"),
        bytes("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\ncanary\r\n"),
        bytes("HTTP/1.1 200 OK\r\ncanary canary: \u{1}\r\n\r\n"),
    ]
}

/// A server over a knowledge base with a canary in it, whose spans go to `collector`.
async fn start(launch: Launch, collector: &Collector) -> Server {
    let server = launch
        .setting("telemetry.traces_endpoint", &collector.endpoint())
        .variable("TEST_KEY", KEY)
        .start()
        .await;
    let form = Form::new()
        .text("collection", "technical")
        .part("file", Part::text(DOCUMENT).file_name("keeper.md"));
    let rest = server.rest();
    let request = rest.request(Method::POST, "/api/knowledge/documents").multipart(form);
    assert_eq!(rest.send(request).await.status, StatusCode::CREATED);
    let search = json!({"query": "rotate an API key without downtime", "collection": "technical", "limit": 5});
    let mut tries = 0..600;
    while !rest
        .post("/api/knowledge/search", &search)
        .await
        .body
        .to_string()
        .contains("canarykeeper")
    {
        assert!(tries.next().is_some(), "the document is not found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server
}

fn model(launch: Launch, name: &str, base_url: &str) -> Launch {
    launch
        .setting(&format!("models.{name}__provider"), "openai")
        .setting(&format!("models.{name}__model"), "m")
        .setting(&format!("models.{name}__api_key_env"), "TEST_KEY")
        .setting(&format!("models.{name}__attempts"), "1")
        .setting(&format!("models.{name}__base_url"), base_url)
}

/// Nothing of what is secret has left, but for the turn itself.
async fn check(server: &Server, collector: &Collector, turns: usize) {
    let is_turn = |name: &str| name == "turn";
    let spans = collector
        .until(|spans| spans.iter().filter(|span| is_turn(&span.name)).count() >= turns)
        .await;
    assert!(spans.iter().any(|span| span.name.starts_with("chat")), "{spans:#?}");
    check_told(server, collector).await;
}

/// Nothing of what is secret is in what was told so far.
async fn check_told(server: &Server, collector: &Collector) {
    let log = server.log();
    assert!(log.contains("a turn ended"), "{log}");
    let found: Vec<&str> = log
        .lines()
        .filter(|line| line.to_lowercase().contains(CANARY))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let traces = collector.debug().to_lowercase();
    let at = traces.find(CANARY);
    assert_eq!(
        at.map(|at| &traces[at.saturating_sub(300)..(at + 100).min(traces.len())]),
        None
    );
    let metrics = reqwest::get(server.url("/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let health = server.rest().get("/api/health/services").await.body.to_string();
    assert!(!metrics.contains(CANARY) && !health.contains(CANARY), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_provider_fails_nothing_that_it_was_sent_is_in_logs_or_traces() {
    let mut providers = Vec::new();
    for script in failures() {
        providers.push(Provider::start(vec![script]).await);
    }
    let names: Vec<String> = (0..providers.len()).map(|place| format!("m{place}")).collect();
    let mut launch = Launch::new().setting("models.answering", &names[0]);
    for (name, provider) in names.iter().zip(&providers) {
        launch = model(launch, name, &provider.base_url());
    }
    // One turn asks them all, one after the other.
    let fallbacks = names[1..].join(",") + ",embedded-extractive";
    let launch = launch.setting(&format!("models.{}__fallbacks", names[0]), &fallbacks);
    let collector = Collector::start();
    let server = start(launch, &collector).await;
    let frames = server.socket("").await.turn(QUESTION).await;
    let end = frames.last().unwrap();
    assert_eq!(end.kind(), "message_completed", "{}", end.0);
    for (place, provider) in providers.iter().enumerate() {
        let asked = provider.asked();
        assert_eq!(asked.len(), 1, "{place}: {asked:?}");
        let sent = asked[0].body.to_string();
        assert!(
            sent.contains("ada.canary@example.org") && sent.contains("canarykeeper"),
            "{sent}"
        );
        assert!(asked[0].authorization.contains(KEY));
    }
    let body = json!({"message": QUESTION, "session_id": SessionId::new(), "fresh": true});
    server.rest().post("/api/chat", &body).await;
    check(&server, &collector, 2).await;
}

/// The agents of the house, of which the technical one has the tools of this list.
fn agents(tools: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/agents")).unwrap() {
        let file = file.unwrap();
        let mut text = std::fs::read_to_string(file.path()).unwrap();
        if file.file_name() == "technical.toml" {
            text = text.replace("tools = []", &format!("tools = [{tools}]"));
            assert!(text.contains(tools), "{text}");
        }
        std::fs::write(folder.path().join(file.file_name()), text).unwrap();
    }
    folder
}

/// Where notes are kept, by an API.
fn notes(folder: &TempDir) -> String {
    let body = json!({"content": {"application/json": {"schema": {
        "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"],
    }}}, "required": true});
    let document = json!({"openapi": "3.0.3", "paths": {
        "/notes": {"post": {"operationId": "write", "summary": "Writes a note.", "requestBody": body}},
    }});
    let path = folder.path().join("notes.json");
    std::fs::write(&path, document.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn calls(id: &str, tool: &str, arguments: &str) -> Vec<Said> {
    let function = json!({"name": tool, "arguments": arguments});
    let call = json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": id, "function": function}]}}]});
    vec![Said::Event(call.to_string()), Said::End { input: 10, output: 5 }]
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_tool_fails_nothing_of_its_call_is_in_logs_or_traces() {
    let arguments = json!({"body": {"text": "a canarybird of ada.canary@example.org"}}).to_string();
    let provider = Provider::start(vec![
        calls("c1", "canary_tool", "{}"),
        calls("c2", "notes_write", &json!({"canary": "canary"}).to_string()),
        calls("c3", "notes_write", &arguments),
        calls("c4", "notes_write", &arguments),
        calls("c5", "notes_write", &arguments),
        calls("c6", "notes_write", &arguments),
        vec![
            Said::Text("The note of the canarybird was not written.".into()),
            Said::End { input: 20, output: 7 },
        ],
        calls("c7", "notes_write", "{canary"),
    ])
    .await;
    let note = "canary".repeat(10);
    let keeper = Provider::start(vec![
        vec![Said::Echo("500 canary")],
        vec![Said::Die],
        vec![Said::RefuseWith(
            "422 Unprocessable Entity",
            format!("{{\"{note}\": \"{note}\"}}"),
        )],
        vec![Said::Refuse(
            "307 Temporary Redirect",
            "location: http://canary.invalid/?q=canary\r\n",
        )],
    ])
    .await;
    let (agents, folder) = (agents("\"notes_*\""), tempfile::tempdir().unwrap());
    let launch = Launch::new()
        .setting("agents.dir", agents.path().to_str().unwrap())
        .setting("models.answering", "first")
        .setting("tools.notes__kind", "openapi")
        .setting("tools.notes__document", &notes(&folder))
        .setting("tools.notes__base_url", &keeper.base_url())
        .setting("tools.notes__operations", "*");
    let launch = model(launch, "first", &provider.base_url());
    let collector = Collector::start();
    let server = start(launch, &collector).await;
    let mut socket = server.socket("").await;
    let frames = socket.turn(QUESTION).await;
    let ended = |status: &str| {
        let of_call = |frame: &&Frame| frame.kind() == "tool_call" && frame.data()["status"] == status;
        frames.iter().filter(of_call).count()
    };
    assert_eq!((ended("started"), ended("failed")), (4, 6), "{frames:#?}");
    assert_eq!(keeper.asked().len(), 4);
    assert_eq!(frames.last().unwrap().kind(), "message_completed");
    // What is no call ends the turn, or is answered in words; either way nothing of it is told.
    socket
        .turn("And once more, how do I rotate an API key for the canarybird?")
        .await;
    check(&server, &collector, 2).await;
}
