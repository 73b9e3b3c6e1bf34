//! What happens to the server while Prometheus looks on: something of everything that dashboards and alerts speak of.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use orchestratai_shared::{ClientMessageId, SessionId};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

use crate::{
    client::Frame,
    models::provider::{Provider, Said},
    person::{reply, take_over, until_it_waits},
    server::{Launch, Server},
};

pub(crate) const TOKEN: &str = "a-token_of_43_characters_0123456789abcdefgh";

/// A question for each of the four agents; the third makes the first stage of search unsure, and the last has two concerns.
const QUESTIONS: [&str; 6] = [
    "What does the Team plan cost?",
    "How long is customer data retained?",
    "Our webhook stopped and my API requests get errors, what could be wrong?",
    "How do I rotate an API key without downtime?",
    "Hello!",
    "My invoice is wrong and the webhook returns 401",
];

/// Requests without a token: enough for the alert on them.
const STRANGERS: usize = 150;

/// Who the model of all agents is asked of: it fails at first, and answers from then on.
pub(crate) async fn provider() -> Provider {
    // It states nothing that sources would have to bear out, so that it is an answer, and kept, whatever is asked.
    let answer = vec![
        Said::Text("See ".into()),
        Said::Text("[1].".into()),
        Said::End {
            input: 1_000,
            output: 100,
        },
    ];
    Provider::start(vec![vec![Said::Refuse("503 Service Unavailable", "")], answer]).await
}

/// A server that is easily brought to its limits.
pub(crate) async fn start(provider: &Provider) -> Server {
    Launch::new()
        .setting("auth.token", TOKEN)
        .setting("models.answering", "remote")
        .setting("models.remote__provider", "openai")
        .setting("models.remote__model", "gpt-4o-mini")
        .setting("models.remote__base_url", &provider.base_url())
        .setting("retrieval.cascade", "true")
        // A debug build loads the transformer at the first question.
        .setting("retrieval.transformer_wait", "10s")
        .setting("session.queue_max", "1")
        .setting("session.idle_after", "500ms")
        .setting("limits.subscriber_window", "4KiB")
        .setting("limits.slow_client_after", "1s")
        .setting("limits.frames_per_second", "20")
        .setting("limits.frames_burst", "60")
        .start()
        .await
}

/// A socket that is never read after its handshake.
async fn stall(address: SocketAddr, session_id: SessionId) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = format!(
        "GET /api/ws?session_id={session_id} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Authorization: Bearer {TOKEN}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101", "{}", String::from_utf8_lossy(&answer));
    stream
}

/// Questions over REST and WebSocket, to every agent, once more so that the cache answers; and one client that comes back to
/// a session that has left memory.
pub(crate) async fn questions(server: &Server, session_id: SessionId) {
    let rest = server.rest();
    for content in QUESTIONS {
        let body = json!({"message": content, "session_id": session_id});
        let answer = rest.post("/api/chat", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    let mut socket = server.socket("").await;
    socket.ready().await;
    for content in QUESTIONS {
        let frames = socket.turn(content).await;
        assert_eq!(frames.last().map(Frame::kind), Some("message_completed"), "{content}");
    }
    socket.close().await;
    for path in ["/api/health/ready", "/api/agents"] {
        assert_eq!(rest.get(path).await.status, StatusCode::OK);
    }
}

/// More than one session may be asked at once, over REST and over WebSocket; and one request without a token.
pub(crate) async fn refusals(server: &Server) {
    let (rest, session_id) = (server.rest(), SessionId::new());
    let body = json!({"message": QUESTIONS[3], "session_id": session_id, "fresh": true});
    let answers = join_all((0..12).map(|_| rest.post("/api/chat", &body))).await;
    let refused = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        refused.count() > 0,
        "{:?}",
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    );

    // The first makes the series, so that those after it are seen as its growth.
    strangers(server, 1).await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    for _ in 0..12 {
        socket.say(QUESTIONS[3]).await;
    }
    let refused = socket.until(|frame| frame.kind() == "error").await;
    assert_eq!(refused.last().unwrap().data()["code"], "OVERLOADED");
}

/// A person takes a session over, and answers in it.
pub(crate) async fn a_person(server: &Server) {
    let (rest, mut socket) = (server.rest(), server.socket("").await);
    let session_id = socket.ready().await.session_id();
    take_over(&rest, session_id, false).await;
    socket.say(QUESTIONS[0]).await;
    until_it_waits(&mut socket).await;
    let said = reply(&rest, session_id, ClientMessageId::new(), "I will see to it.").await;
    assert_eq!(said.status, StatusCode::OK, "{}", said.body);
    socket.until(Frame::is_terminal).await;
    socket.close().await;
}

/// Requests without a token.
async fn strangers(server: &Server, count: usize) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..count {
        let answer = client.get(server.url("/api/agents")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Clients that do not keep up, send too much, or have no token.
pub(crate) async fn misbehaviour(server: &Server) {
    let session_id = SessionId::new();
    let stalled = stall(server.address(), session_id).await;
    let rest = server.rest();
    // More than the kernel's buffers and the server's window hold.
    let body = json!({"message": QUESTIONS[3], "session_id": session_id});
    for _ in 0..60 {
        let answer = rest.post("/api/chat", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    let mut hasty = server.socket("").await;
    for _ in 0..200 {
        if !hasty.try_send(&json!({"type": "ping", "data": {}})).await {
            break;
        }
    }
    while hasty.next_or_close().await.is_ok() {}
    strangers(server, STRANGERS).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    drop(stalled);
}
