//! The wire contract as a strict client reads it: corners that the tests by concern do not reach.

use std::time::Duration;

use orchestratai_shared::{ErrorCode, SessionId};
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{bad_input::check, client::Rest, server::Launch};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn head_of_a_stream_ends_and_the_next_request_is_answered() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let created = rest.send(rest.request(Method::POST, "/api/session")).await;
    let path = created.headers[header::LOCATION].to_str().unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!("HEAD {path}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("content-type: text/event-stream"), "{answer}");
    let next = b"GET /api/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(next).await.unwrap();
    let mut answer = String::new();
    let answered = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    assert!(answered.is_ok(), "the second request is not answered: {answer}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"alive"}"#), "{answer}");
}

#[tokio::test]
async fn pages_that_may_call_may_ask_for_every_method_that_there_is() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    for (method, status) in [
        ("GET", StatusCode::OK),
        ("HEAD", StatusCode::OK),
        ("POST", StatusCode::OK),
        ("DELETE", StatusCode::OK),
        ("PUT", StatusCode::OK),
        ("PATCH", StatusCode::OK),
        ("TRACE", StatusCode::BAD_REQUEST),
    ] {
        let preflight = rest
            .request(Method::OPTIONS, "/api/agents")
            .header(header::ORIGIN, "http://localhost:3000")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, method)
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
        assert_eq!(rest.send(preflight).await.status, status, "{method}");
    }
}

#[tokio::test]
async fn a_page_that_may_call_can_read_that_its_token_is_not_valid() {
    let server = Launch::new()
        .argument("--no-demo")
        .variable(
            "ORCHESTRATAI__AUTH__TOKEN",
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
        )
        .start()
        .await;
    let stranger = Rest::new(format!("http://{}", server.address()), None);
    let request = stranger.request(Method::GET, "/api/agents");
    let refused = stranger
        .send(request.header(header::ORIGIN, "http://localhost:3000"))
        .await;
    check(&refused, ErrorCode::Unauthenticated, None);
    assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer");
    let allowed = refused.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    assert_eq!(
        allowed.map(|origin| origin.to_str().unwrap()),
        Some("http://localhost:3000")
    );
}

#[tokio::test]
async fn the_page_of_the_server_itself_may_ask_beforehand() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let own = format!("http://{}", server.address());
    let preflight = rest
        .request(Method::OPTIONS, "/api/chat")
        .header(header::ORIGIN, &own)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let answer = rest.send(preflight).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], own.as_str());
}

#[tokio::test]
async fn an_upload_names_one_collection() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let form = reqwest::multipart::Form::new()
        .text("collection", "technical")
        .text("collection", "billing")
        .part("file", reqwest::multipart::Part::text("# One").file_name("one.md"));
    let answer = rest
        .send(rest.request(Method::POST, "/api/knowledge/documents").multipart(form))
        .await;
    check(&answer, ErrorCode::ValidationError, Some("collection"));
    let stored = rest.get("/api/knowledge/documents").await.body;
    assert_eq!(stored["documents"].as_array().map(Vec::len), Some(0), "{stored}");
}

#[tokio::test]
async fn only_the_last_id_of_a_stream_has_nothing_behind_it() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let body = json!({"message": "Hello", "session_id": SessionId::new()});
    let chat = rest.post("/api/chat", &body).await;
    let path = format!("/api/chat/stream/{}", chat.headers["x-turn-id"].to_str().unwrap());
    let whole = rest.get(&path).await.body.as_str().unwrap().to_owned();
    let last = whole
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back()
        .unwrap();
    for (id, status) in [
        (last, StatusCode::NO_CONTENT),
        ("99", StatusCode::OK),
        ("18446744073709551615", StatusCode::OK),
        ("no id", StatusCode::OK),
    ] {
        let answer = rest
            .send(rest.request(Method::GET, &path).header("Last-Event-ID", id))
            .await;
        assert_eq!(answer.status, status, "{id}");
        assert_eq!(answer.headers["x-turn-id"], chat.headers["x-turn-id"], "{id}");
        if status == StatusCode::OK {
            assert_eq!(answer.body, whole.as_str(), "{id}");
        }
    }
}
