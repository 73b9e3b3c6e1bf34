//! Starting, serving, stopping, and what stays on disk.

use std::{
    fs,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use orchestratai_shared::SessionId;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    client::Frame,
    server::{Launch, Server, orchestratai},
};

const TOKEN: &str = "a-token_of_43_characters_0123456789abcdefgh";

/// Runs a command on a folder of data, away from the test's own thread.
async fn run(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = orchestratai();
    command.args(arguments).arg("--data-dir").arg(data_dir);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The sources that a search finds, best first.
async fn found(server: &Server, query: &str) -> Vec<String> {
    let answer = server
        .rest()
        .post("/api/knowledge/search", &json!({"query": query, "limit": 3}))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let chunks = answer.body["chunks"].as_array().unwrap().iter();
    chunks
        .map(|chunk| chunk["source"].as_str().unwrap().to_owned())
        .collect()
}

async fn finds_the_demo(server: &Server) {
    let sources = found(server, "Can I get a refund of my annual plan?").await;
    assert!(sources.contains(&"requesting-a-refund.md".to_owned()), "{sources:?}");
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

#[tokio::test]
async fn a_new_server_answers_from_the_demo_and_keeps_what_was_said_through_a_kill() {
    let server = Server::start().await;
    finds_the_demo(&server).await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    let frames = socket.turn("Can I get a refund of my annual plan?").await;
    let last = frames.last().unwrap();
    assert_eq!(last.kind(), "message_completed", "{}", last.0);

    let folder = server.kill();
    let again = Launch::new().in_folder_of(&folder).start().await;
    let events = again.rest().events(session_id).await;
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.last().unwrap(), &last.event());
}

#[tokio::test]
async fn without_the_demo_there_is_nothing_and_a_later_start_adds_nothing() {
    let server = Launch::new().argument("--no-demo").start().await;
    assert!(found(&server, "refund").await.is_empty());
    let folder = server.kill();
    let again = Launch::new().in_folder_of(&folder).start().await;
    assert!(
        found(&again, "refund").await.is_empty(),
        "the demo is loaded when the database is made, and never again"
    );
}

#[tokio::test]
async fn a_crash_before_the_demo_was_loaded_does_not_lose_it() {
    let folder = Launch::new().argument("--no-demo").start().await.kill();
    // As a crash between making the database and loading the demo leaves it.
    fs::write(folder.path().join("data/demo-is-to-be-loaded"), "").unwrap();
    let server = Launch::new().in_folder_of(&folder).start().await;
    assert!(!found(&server, "refund").await.is_empty());
    assert!(!server.data_dir().join("demo-is-to-be-loaded").exists());
}

#[tokio::test]
async fn a_taken_port_and_taken_data_are_told_clearly() {
    let server = Server::start().await;
    let port = server.address().port().to_string();
    let elsewhere = tempfile::tempdir().unwrap();
    let taken = run(elsewhere.path(), &["serve", "--port", &port]).await;
    assert_eq!(taken.status.code(), Some(1));
    assert!(
        text(&taken.stderr).contains(&format!("127.0.0.1:{port} is taken")),
        "{}",
        text(&taken.stderr)
    );
    assert!(
        fs::read_dir(elsewhere.path()).unwrap().next().is_none(),
        "a taken port is told before anything is made"
    );

    let second = run(&server.data_dir(), &["serve", "--port", "0"]).await;
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains(&format!("process id {}", server.pid())),
        "{}",
        text(&second.stderr)
    );
}

#[tokio::test]
async fn a_stop_tells_clients_and_ends_with_success() {
    let mut server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    server.terminate();
    let mut kinds = Vec::new();
    let close = loop {
        match socket.next_or_close().await {
            Ok(frame) => kinds.push(frame.kind().to_owned()),
            Err(close) => break close,
        }
    };
    assert_eq!(kinds, ["server_draining"]);
    assert_eq!(close.map(|close| u16::from(close.code)), Some(4000));
    assert!(server.ended().await.success(), "{}", server.log());
}

#[tokio::test]
async fn a_running_server_answers_from_what_was_ingested_when_ingest_returns() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "zeppelin.md",
        "# Zeppelins\n\nA zeppelin of the fleet is moored at mast seven.\n",
    );
    write(folder.path(), "broken.md", "");
    let ingest = ["ingest", folder.path().to_str().unwrap(), "--collection", "billing"];
    let report = run(&server.data_dir(), &ingest).await;
    assert!(report.status.success(), "{}", text(&report.stderr));
    assert!(text(&report.stdout).contains("1 new"), "{}", text(&report.stdout));
    assert!(
        text(&report.stdout).contains("the running server answers from it"),
        "{}",
        text(&report.stdout)
    );
    assert!(text(&report.stderr).contains("broken.md"), "{}", text(&report.stderr));
    assert_eq!(found(&server, "Where is the zeppelin moored?").await[0], "zeppelin.md");
    // What another root brought is still there.
    finds_the_demo(&server).await;

    // A document that is gone from the folder is gone from the answers.
    fs::remove_file(folder.path().join("zeppelin.md")).unwrap();
    write(
        folder.path(),
        "airship.md",
        "# Airships\n\nNo airship is moored here.\n",
    );
    assert!(run(&server.data_dir(), &ingest).await.status.success());
    assert!(
        !found(&server, "Where is the zeppelin moored?")
            .await
            .contains(&"zeppelin.md".to_owned())
    );
}

#[tokio::test]
async fn ingest_and_search_need_no_server() {
    let data = tempfile::tempdir().unwrap();
    let none = run(data.path(), &["search", "anything"]).await;
    assert_eq!(none.status.code(), Some(1));
    assert!(
        text(&none.stderr).contains("orchestratai ingest"),
        "{}",
        text(&none.stderr)
    );

    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "zeppelin.md",
        "# Zeppelins\n\nA zeppelin of the fleet is moored at mast seven.\n",
    );
    let report = run(
        data.path(),
        &["ingest", folder.path().to_str().unwrap(), "--collection", "fleet"],
    )
    .await;
    assert!(
        report.status.success() && text(&report.stdout).contains("the index is made"),
        "{}",
        text(&report.stderr)
    );
    let search = run(
        data.path(),
        &["search", "Where is the zeppelin?", "--collection", "fleet"],
    )
    .await;
    assert!(
        text(&search.stdout).contains("zeppelin.md  Zeppelins"),
        "{}",
        text(&search.stdout)
    );
    let unknown = run(data.path(), &["search", "zeppelin", "--collection", "flet"]).await;
    assert!(
        text(&unknown.stderr).contains("there is no collection flet; there is fleet"),
        "{}",
        text(&unknown.stderr)
    );
}

#[tokio::test]
async fn with_a_token_only_its_bearer_gets_in() {
    let server = Launch::new()
        .setting("auth.token", TOKEN)
        .argument("--host")
        .argument("0.0.0.0")
        .start()
        .await;
    assert_eq!(server.rest().get("/api/agents").await.status, StatusCode::OK);
    let stranger = reqwest::get(server.url("/api/agents")).await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert!(!server.log().contains(TOKEN), "{}", server.log());
}

#[tokio::test]
async fn metrics_tell_what_runs_and_what_happened() {
    let server = Server::start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    assert_eq!(
        socket
            .turn("Can I get a refund of my annual plan?")
            .await
            .last()
            .map(Frame::kind),
        Some("message_completed")
    );
    // The client may see the end of its turn a moment before it is counted.
    let lines = [
        "orchestratai_turns_total{agent=\"billing\",outcome=\"completed\"} 1",
        "orchestratai_connections{transport=\"websocket\"} 1",
        "orchestratai_sessions_live 1",
        "orchestratai_turns_in_flight 0",
        "orchestratai_time_to_first_event_seconds_count 1",
        "orchestratai_time_to_first_token_seconds_count 1",
        "orchestratai_cache_requests_total{agent=\"billing\",status=\"miss\"} 1",
        "orchestratai_events_published_total{type=\"message_completed\"} 1",
    ];
    let began = std::time::Instant::now();
    let text = loop {
        let text = reqwest::get(server.url("/metrics"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let missing = lines.iter().find(|line| !text.lines().any(|found| found == **line));
        let Some(missing) = missing else { break text };
        assert!(began.elapsed().as_secs() < 10, "no {missing} in\n{text}");
    };
    assert!(text.contains("orchestratai_build_info{"), "{text}");
    assert!(
        text.contains("orchestratai_knowledge_chunks{collection=\"billing\"}"),
        "{text}"
    );
    assert!(
        text.contains("orchestratai_http_requests_total{method=\"GET\",route=\"/api/health\""),
        "{text}"
    );
}

#[tokio::test]
async fn broken_agents_and_broken_data_are_told_with_file_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("agents");
    write(&agents, "billing.toml", "id = \"billing\"\nnmae = \"Billing\"\n");
    let mut command = orchestratai();
    command.arg("agents").env("ORCHESTRATAI__AGENTS__DIR", &agents);
    let said = text(&command.output().unwrap().stderr);
    assert!(said.contains("billing.toml:2") && said.contains("name"), "{said}");

    let data = folder.path().join("data");
    write(&data, "orchestratai.db", &"this is no database ".repeat(500));
    let refused = run(&data, &["serve", "--port", "0"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("orchestratai.db is damaged or is no database") && said.contains("backup"),
        "{said}"
    );
}

#[tokio::test]
async fn a_corrupt_index_is_made_anew() {
    let server = Server::start().await;
    let folder = server.kill();
    let mut files = 0;
    for entry in walk(&folder.path().join("data/index")) {
        fs::write(&entry, "not what it was").unwrap();
        files += 1;
    }
    assert!(files > 0);
    let again = Launch::new().in_folder_of(&folder).start().await;
    finds_the_demo(&again).await;
    assert!(again.log().contains("WARN"), "{}", again.log());
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn an_unknown_session_is_made_by_its_first_message() {
    let server = Server::start().await;
    let session_id = SessionId::new();
    let body = json!({"message": "Can I get a refund of my annual plan?", "session_id": session_id});
    let answer = server.rest().post("/api/chat", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["agent"], "billing");
    assert!(server.rest().events(session_id).await.len() > 3);
}

#[tokio::test]
async fn the_first_start_answers_nothing_from_an_index_that_is_not_there_yet() {
    // Not `start`, which waits until all is there.
    let server = tokio::task::spawn_blocking(|| Launch::new().spawn()).await.unwrap();
    let rest = server.rest();
    let question = "How do I rotate an API key without downtime?";
    let (mut too_early, began) = (0, Instant::now());
    let answer = loop {
        let body = json!({"message": question, "session_id": SessionId::new(), "fresh": true});
        let answer = rest.post("/api/chat", &body).await;
        let search = rest.post("/api/knowledge/search", &json!({"query": question})).await;
        if answer.status == StatusCode::OK {
            break answer;
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
        assert!(answer.headers.contains_key("retry-after"));
        if search.status == StatusCode::OK {
            assert_ne!(search.body["chunks"], json!([]));
        }
        too_early += 1;
        assert!(began.elapsed() < Duration::from_secs(30));
    };
    assert!(too_early > 0, "it was ready at once, and this shows nothing");
    assert_eq!(answer.body["agent"], "technical", "{}", answer.body);
    assert!(
        answer.body["message"].as_str().unwrap().contains("[1]"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_request_is_found_in_the_log_by_its_id() {
    let server = Launch::new().setting("telemetry.log_format", "json").start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let send = |path: &str, id: &str, body: serde_json::Value| {
        let request = rest.request(Method::POST, path).header("x-request-id", id).json(&body);
        let rest = rest.clone();
        async move { rest.send(request).await }
    };
    let hello = json!({"message": "How do I rotate an API key?", "session_id": session_id});
    let answered = send("/api/chat", "report-1", hello).await;
    let turn_id = answered.headers["x-turn-id"].to_str().unwrap().to_owned();
    send("/api/chat", "report-2", json!({"message": ""})).await;
    let mut socket = server.socket(&format!("?session_id={session_id}")).await;
    socket.ready().await;
    socket.turn("What does the Team plan cost?").await;

    // The line of a turn comes behind its last event.
    let began = Instant::now();
    while server.log().matches("a turn ended").count() < 2 && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lines: Vec<serde_json::Value> = server
        .log()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let said = |words: &str| -> Vec<_> { lines.iter().filter(|line| line["message"] == words).collect() };
    let turns = said("a turn ended");
    assert_eq!(turns.len(), 2, "{lines:?}");
    let span = &turns[0]["spans"][0];
    assert_eq!(
        (
            &span["name"],
            &span["request.id"],
            &span["turn.id"],
            &span["session.id"]
        ),
        (&json!("turn"), &json!("report-1"), &json!(turn_id), &json!(session_id))
    );
    assert_eq!(turns[0]["outcome"], "completed");
    assert!(turns[0]["took_ms"].as_f64().unwrap() > 0.0);
    assert!(turns[1]["spans"][0]["request.id"].is_string(), "of the handshake");
    let refused = said("request refused");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["spans"][0]["request.id"], "report-2");
    assert_eq!(refused[0]["http.status"], 400);
    let text = server.log();
    assert!(
        !text.contains("Team plan") && !text.contains("rotate"),
        "what people say is not logged"
    );
}
