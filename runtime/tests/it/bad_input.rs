//! Every bad input gets its clear error: the one shape, the right status, the field by its name.

use std::time::{Duration, Instant};

use orchestratai_shared::{ClientMessageId, ErrorBody, ErrorCode, SessionId, TurnId};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::Answer,
    server::{Launch, Server},
};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Checks that an answer is an error of this code, in the one shape, and that `field` is named where there is one.
#[track_caller]
pub(crate) fn check(answer: &Answer, code: ErrorCode, field: Option<&str>) {
    let what = format!("{} {}", answer.status, answer.body);
    let body: ErrorBody = serde_json::from_value(answer.body.clone()).unwrap_or_else(|_| panic!("no error: {what}"));
    assert_eq!(body.error.code, code, "{what}");
    assert_eq!(answer.status.as_u16(), code.http_status(), "{what}");
    assert_eq!(answer.headers["x-request-id"], body.error.request_id.as_str(), "{what}");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{what}");
    if let Some(field) = field {
        let details = body
            .error
            .details
            .unwrap_or_else(|| panic!("no field is named: {what}"));
        assert!(details.iter().any(|detail| detail.field == field), "{field}: {what}");
    }
}

async fn post(server: &Server, path: &str, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let rest = server.rest();
    let mut request = rest.request(Method::POST, path).body(body);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    rest.send(request).await
}

#[tokio::test]
async fn every_bad_body_is_refused_and_every_bad_field_named() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let chat = |message: Value| json!({"message": message, "session_id": ID});
    let cases: &[(&str, Value, &str)] = &[
        ("/api/chat", json!({"session_id": ID}), "message"),
        ("/api/chat", chat(json!("")), "message"),
        ("/api/chat", chat(json!(" \n\t\u{a0}")), "message"),
        ("/api/chat", chat(json!("é".repeat(2_001))), "message"),
        ("/api/chat", chat(json!(7)), "message"),
        ("/api/chat", chat(json!(null)), "message"),
        ("/api/chat", json!({"message": "Hi"}), "session_id"),
        ("/api/chat", json!({"message": "Hi", "session_id": "1"}), "session_id"),
        (
            "/api/chat",
            json!({"message": "Hi", "session_id": ID.replace('-', "")}),
            "session_id",
        ),
        (
            "/api/chat",
            json!({"message": "Hi", "session_id": ID, "fresh": "yes"}),
            "fresh",
        ),
        ("/api/chat/stream", chat(json!("")), "message"),
        ("/api/chat/stream/initiate", chat(json!("")), "message"),
        ("/api/route", json!({"message": ""}), "message"),
        ("/api/knowledge/search", json!({"query": " "}), "query"),
        (
            "/api/knowledge/search",
            json!({"query": "a", "filter": ["x"]}),
            "filter",
        ),
        (
            "/api/knowledge/search",
            json!({"query": "a", "filter": {"plan": "team"}}),
            "filter",
        ),
        (
            "/api/knowledge/search",
            json!({"query": "a", "filter": {"plan": [1]}}),
            "filter",
        ),
        ("/api/knowledge/search", json!({"query": "a", "limit": 0}), "limit"),
        ("/api/knowledge/search", json!({"query": "a", "limit": 51}), "limit"),
        ("/api/knowledge/search", json!({"query": "a", "limit": "5x"}), "limit"),
        (
            "/api/knowledge/search",
            json!({"query": "a", "collection": "../etc"}),
            "collection",
        ),
    ];
    for (path, body, field) in cases {
        check(&rest.post(path, body).await, ErrorCode::ValidationError, Some(field));
    }
    let all_at_once = rest.post("/api/chat", &json!({"message": "", "session_id": 1})).await;
    check(&all_at_once, ErrorCode::ValidationError, Some("message"));
    check(&all_at_once, ErrorCode::ValidationError, Some("session_id"));

    let deep = format!("{{\"message\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for body in [
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{\"message\":".to_vec(),
        b"{\"message\":\"\xff\xfe\"}".to_vec(),
        b"{\"message\":\"\\ud800\",\"session_id\":\"x\"}".to_vec(),
        deep.into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = post(&server, "/api/chat", Some("application/json"), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}");
        check(&answer, ErrorCode::ValidationError, None);
    }
    for key in ["1", "not a uuid"] {
        let request = rest.request(Method::POST, "/api/chat").json(&chat(json!("Hi")));
        let answer = rest.send(request.header("Idempotency-Key", key)).await;
        check(&answer, ErrorCode::ValidationError, Some("Idempotency-Key"));
    }
    assert_eq!(
        rest.get(&format!("/api/session/{ID}")).await.status,
        StatusCode::NOT_FOUND,
        "nothing was half done"
    );
}

#[tokio::test]
async fn only_json_is_taken_and_a_missing_type_is_taken_as_json() {
    let server = Launch::new().argument("--no-demo").start().await;
    let body = json!({"message": "Hello", "later": {"unknown": true}}).to_string();
    for good in [
        None,
        Some("application/json"),
        Some("Application/JSON; charset=\"UTF-8\""),
    ] {
        let answer = post(&server, "/api/route", good, body.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{good:?} {}", answer.body);
    }
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "x",
        "",
    ] {
        let answer = post(&server, "/api/route", Some(bad), body.clone()).await;
        check(&answer, ErrorCode::UnsupportedMediaType, None);
    }
    let rest = server.rest();
    let encoded = rest
        .request(Method::POST, "/api/route")
        .header(header::CONTENT_ENCODING, "gzip")
        .json(&json!({}));
    check(&rest.send(encoded).await, ErrorCode::UnsupportedMediaType, None);
    check(
        &rest.post("/api/knowledge/documents", &json!({})).await,
        ErrorCode::UnsupportedMediaType,
        None,
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_so_while_it_is_still_being_sent() {
    let server = Launch::new().argument("--no-demo").start().await;
    for bytes in [64 * 1024 + 1, 1024 * 1024, 8 * 1024 * 1024, 9 * 1024 * 1024] {
        let body = format!("{{\"message\":\"{}\"}}", "x".repeat(bytes - 14));
        check(
            &post(&server, "/api/chat", Some("application/json"), body.clone()).await,
            ErrorCode::PayloadTooLarge,
            None,
        );
    }
    // Without a length beforehand, in chunks.
    let chunks = futures_util::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 16 * 1024])));
    let answer = post(
        &server,
        "/api/chat",
        Some("application/json"),
        reqwest::Body::wrap_stream(chunks),
    )
    .await;
    check(&answer, ErrorCode::PayloadTooLarge, None);
    let exact = format!("{{\"message\":\"Hi\"{}}}", " ".repeat(64 * 1024 - 16));
    assert_eq!(exact.len(), 64 * 1024);
    let answer = post(&server, "/api/route", Some("application/json"), exact).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn wrong_methods_addresses_ids_and_parameters_are_told_apart() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    for (method, path, allow) in [
        (Method::GET, "/api/chat", "POST"),
        (Method::DELETE, "/api/chat", "POST"),
        (Method::POST, "/api/health", "GET, HEAD"),
        (Method::PATCH, "/api/agents", "GET, HEAD"),
        (Method::PUT, &format!("/api/session/{ID}"), "GET, HEAD, PATCH, DELETE"),
        (Method::GET, &format!("/api/chat/{ID}/cancel"), "POST"),
        (Method::GET, "/api/chat/stream/initiate", "POST"),
        (Method::POST, "/api/ws", "GET"),
        (Method::POST, "/metrics", "GET, HEAD"),
        (Method::GET, "/api/knowledge/search", "POST"),
        (Method::PUT, "/api/knowledge/documents", "GET, HEAD, POST"),
        (Method::OPTIONS, "/api/route", "POST"),
    ] {
        let answer = rest.send(rest.request(method.clone(), path)).await;
        check(&answer, ErrorCode::MethodNotAllowed, None);
        assert_eq!(answer.headers[header::ALLOW], allow, "{method} {path}");
    }
    for path in [
        "/nope",
        "/api",
        "/api/nope",
        "/api/chat/",
        "/api/session//logs",
        "/..%2f",
        "/api/docs/nope.js",
        "/%ff",
    ] {
        check(&rest.get(path).await, ErrorCode::NotFound, None);
    }
    for (path, field) in [
        ("/api/session/x", "session_id"),
        ("/api/session/x/messages", "session_id"),
        ("/api/chat/stream/x", "stream_id"),
        ("/api/agents/No", "agent_id"),
        (&format!("/api/session/{ID}/messages?limit=0"), "limit"),
        (&format!("/api/session/{ID}/messages?limit=201"), "limit"),
        (&format!("/api/session/{ID}/messages?limit="), "limit"),
        (&format!("/api/session/{ID}/messages?limit=1&limit=2"), "limit"),
        (&format!("/api/session/{ID}/logs?before=x"), "before"),
        (&format!("/api/session/{ID}/events?limit=1001"), "limit"),
        (&format!("/api/session/{ID}/events?after_seq=-1"), "after_seq"),
        ("/api/knowledge/documents?limit=a", "limit"),
    ] {
        check(&rest.get(path).await, ErrorCode::ValidationError, Some(field));
    }
    let unknown = SessionId::new();
    for path in [
        format!("/api/session/{unknown}"),
        format!("/api/session/{unknown}/messages"),
        format!("/api/session/{unknown}/logs"),
        format!("/api/session/{unknown}/events"),
        format!("/api/chat/stream/{}", TurnId::new()),
        "/api/agents/nobody".into(),
    ] {
        check(&rest.get(&path).await, ErrorCode::NotFound, None);
    }
    check(
        &rest.delete(&format!("/api/session/{unknown}")).await,
        ErrorCode::NotFound,
        None,
    );
    check(
        &rest.get(&format!("/api/knowledge/documents?before={ID}")).await,
        ErrorCode::NotFound,
        None,
    );
    check(
        &rest.delete(&format!("/api/knowledge/documents/{ID}")).await,
        ErrorCode::NotFound,
        None,
    );
    let cancelled = rest
        .post(&format!("/api/chat/{}/cancel", TurnId::new()), &json!({}))
        .await;
    check(&cancelled, ErrorCode::NotFound, None);
}

#[tokio::test]
async fn foreign_pages_and_foreign_names_are_kept_out() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let with = |name, value: &str| rest.request(Method::GET, "/api/agents").header(name, value);
    for origin in ["http://evil.example", "null", "http://localhost:3000.evil.example"] {
        check(
            &rest.send(with(header::ORIGIN, origin)).await,
            ErrorCode::Forbidden,
            None,
        );
    }
    for host in ["evil.example", "evil.example:8000", "10.0.0.1"] {
        check(&rest.send(with(header::HOST, host)).await, ErrorCode::Forbidden, None);
    }
    let own = format!("http://{}", server.address());
    for origin in ["http://localhost:3000", "http://localhost:5173", &own] {
        let answer = rest.send(with(header::ORIGIN, origin)).await;
        assert_eq!(answer.status, StatusCode::OK, "{origin}");
        let allowed = answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(
            allowed.map(|value| value.to_str().unwrap()),
            (origin != own).then_some(origin)
        );
    }
    let preflight = rest
        .request(Method::OPTIONS, "/api/chat")
        .header(header::ORIGIN, "http://localhost:3000")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "content-type,idempotency-key,authorization",
        );
    let answer = rest.send(preflight).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(
        answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN],
        "http://localhost:3000"
    );
}

/// Sends bytes as they are, and reads up to the end of the connection.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(
        ended.is_ok(),
        "the connection stays open: {}",
        String::from_utf8_lossy(&answer)
    );
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_no_http_is_answered_and_the_server_lives_on() {
    let server = Launch::new().argument("--no-demo").start().await;
    for bytes in [
        &b"GARBAGE\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let answer = raw(&server, bytes).await;
        assert!(
            answer.starts_with("HTTP/1.1 400"),
            "{:?}: {answer}",
            String::from_utf8_lossy(bytes)
        );
    }
    let broken =
        b"POST /api/route HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert!(raw(&server, broken).await.starts_with("HTTP/1.1 400"));
    let endless = [b"GET /".as_slice(), &vec![b'a'; 200 * 1024], b" HTTP/1.1\r\n\r\n"].concat();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let _ = stream.write_all(&endless).await; // It may be cut off while it is still being sent.
    assert!(server.rest().is_healthy().await);
}

#[tokio::test]
async fn a_body_that_never_ends_holds_no_connection_once_its_request_is_answered() {
    const TOKEN: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
    let server = Launch::new()
        .argument("--no-demo")
        .setting("auth.token", TOKEN)
        .start()
        .await;
    let request = |path: &str, more: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{more}Transfer-Encoding: chunked\r\n\r\n4\r\nwait\r\n")
    };
    let authorized = format!("Authorization: Bearer {TOKEN}\r\n");
    let text = format!("{authorized}Content-Type: text/plain\r\n");
    for (path, more, status) in [
        ("/api/chat", "", "401"),
        ("/api/nothing", &authorized, "404"),
        ("/api/health", &authorized, "405"),
        ("/api/chat", &text, "415"),
        ("/api/chat", "Origin: https://other.example\r\n", "403"),
    ] {
        let answer = raw(&server, request(path, more).as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path} {more}: {answer}"
        );
        assert!(answer.contains("requestId"), "{answer}");
    }
    // One whose body has come whole is kept, whoever has read it.
    let twice = [
        format!("{}0\r\n\r\n", request("/api/nothing", &authorized)),
        "GET /api/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
    ];
    let answer = raw(&server, twice.concat().as_bytes()).await;
    assert!(
        answer.contains("HTTP/1.1 404") && answer.contains("HTTP/1.1 200"),
        "{answer}"
    );
}

#[tokio::test]
async fn null_says_that_a_field_is_left_out_in_bodies_as_in_frames() {
    let server = Server::start().await;
    let search = json!({"query": "API keys", "limit": null, "collection": null});
    let found = server.rest().post("/api/knowledge/search", &search).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.body);
    let chat = json!({"message": "Hello", "session_id": SessionId::new(), "fresh": null});
    assert_eq!(server.rest().post("/api/chat", &chat).await.status, StatusCode::OK);
    let missing = json!({"message": null, "session_id": SessionId::new()});
    check(
        &server.rest().post("/api/chat", &missing).await,
        ErrorCode::ValidationError,
        Some("message"),
    );
    let mut socket = server.socket("").await;
    socket.ready().await;
    let frame =
        json!({"type": "send_message", "clientMessageId": ClientMessageId::new(), "content": "Hello", "fresh": null});
    socket.send(&frame).await;
    assert_eq!(socket.next().await.kind(), "message_accepted");
}

#[tokio::test]
async fn no_more_uploads_are_taken_in_at_once_than_there_is_memory_for() {
    const UPLOADS_MAX: usize = 4;
    let server = Launch::new().argument("--no-demo").start().await;
    let head = "POST /api/knowledge/documents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\
        Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n";
    let (mut slow, mut refused) = (Vec::new(), 0);
    for _ in 0..UPLOADS_MAX + 2 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let began = Instant::now();
    while refused < 2 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{refused} of two are refused"
        );
        let mut waiting = Vec::new();
        for mut stream in slow {
            let mut answer = [0; 12];
            match timeout(Duration::from_millis(50), stream.read_exact(&mut answer)).await {
                Ok(read) => {
                    read.unwrap();
                    assert_eq!(&answer, b"HTTP/1.1 503");
                    refused += 1;
                }
                Err(_elapsed) => waiting.push(stream),
            }
        }
        slow = waiting;
    }
    assert_eq!(slow.len(), UPLOADS_MAX);
    let rest = server.rest();
    let send = || {
        let file = reqwest::multipart::Part::bytes(b"# A\n\nText.".as_slice()).file_name("a.md");
        let form = reqwest::multipart::Form::new()
            .text("collection", "technical")
            .part("file", file);
        rest.send(rest.request(Method::POST, "/api/knowledge/documents").multipart(form))
    };
    check(&send().await, ErrorCode::Overloaded, None);
    drop(slow);
    let began = Instant::now();
    while send().await.status != StatusCode::OK && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(10), "a place is given back");
}

#[tokio::test]
async fn uploads_are_judged_file_by_file() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let part = |name: &str, bytes: &[u8]| reqwest::multipart::Part::bytes(bytes.to_vec()).file_name(name.to_owned());
    let send = |form: reqwest::multipart::Form| {
        let rest = rest.clone();
        async move {
            rest.send(rest.request(Method::POST, "/api/knowledge/documents").multipart(form))
                .await
        }
    };
    let form = || reqwest::multipart::Form::new().text("collection", "technical");
    check(&send(form()).await, ErrorCode::ValidationError, Some("file"));
    let nameless = reqwest::multipart::Form::new().part("file", part("a.md", b"# A\n\nText."));
    check(&send(nameless).await, ErrorCode::ValidationError, Some("collection"));
    check(
        &send(form().part("file", part("../a.md", b"x"))).await,
        ErrorCode::ValidationError,
        Some("file"),
    );
    check(
        &send(form().part("other", part("a.md", b"x"))).await,
        ErrorCode::ValidationError,
        Some("other"),
    );
    let huge = vec![b'x'; 17 * 1024 * 1024];
    check(
        &send(form().part("file", part("a.md", &huge))).await,
        ErrorCode::PayloadTooLarge,
        None,
    );

    let mixed = form()
        .part("file", part("good.md", b"# Good\n\nThis is text."))
        .part("file", part("bad.md", b"\xff\xfe\x00"))
        .part("file", part("image.png", b"x"));
    let answer = send(mixed).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.body["added"], 1);
    let problems: Vec<_> = answer.body["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["path"].clone())
        .collect();
    assert_eq!(problems, ["bad.md", "image.png"]);
}
