//! What happens to the server while Prometheus looks on: something of everything that dashboards and alerts speak of.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use futures_util::future::join_all;
use orchestratai_shared::{ClientMessageId, SessionId};
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

use crate::{
    acting::{calls, shop::Shop},
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

/// Who calls tools: one that does what it is asked for, one that is not there, one that a person approves; and keeps and refuses what a user
/// says. Twice, so that the figures grow; from then on it answers.
pub(crate) async fn caller() -> Provider {
    let answer = || vec![Said::Text("See [1].".into()), Said::End { input: 100, output: 10 }];
    let mut scripts = Vec::new();
    for _ in 0..2 {
        scripts.extend([
            calls("c1", "shop_orders", &json!({})),
            calls("c2", "away_orders", &json!({})),
            calls("c3", "shop_refund", &json!({"body": {"eur": "much"}})),
            calls("c4", "remember_fact", &json!({"fact": "I use the Team plan."})),
            calls("c5", "remember_fact", &json!({"fact": "They like it."})),
            calls("c6", "shop_refund", &json!({"body": {"eur": 5}})),
            answer(),
        ]);
    }
    scripts.push(answer());
    Provider::start(scripts).await
}

/// The agents of the house, of which the technical one has tools and a model of its own.
pub(crate) fn agents() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/agents")).unwrap() {
        let file = file.unwrap();
        let mut text = fs::read_to_string(file.path()).unwrap();
        if file.file_name() == "technical.toml" {
            text = (text.replace("model = \"embedded-extractive\"", "model = \"caller\""))
                .replace("tools = []", "tools = [\"shop_*\", \"away_*\", \"remember_fact\"]");
            assert!(text.contains("caller") && text.contains("shop_*"), "{text}");
        }
        fs::write(folder.path().join(file.file_name()), text).unwrap();
    }
    folder
}

/// A turn with calls of tools, one of which a person approves.
pub(crate) async fn tools(server: &Server) {
    let made = server.rest().post("/api/session", &json!({"userId": "ada"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let id = made.body["session_id"].as_str().unwrap();
    let mut socket = server.socket(&format!("?session_id={id}")).await;
    socket.ready().await;
    socket.say(&format!("I use the Team plan. {}", QUESTIONS[3])).await;
    let asked = |frame: &Frame| frame.kind() == "approval_requested" || frame.is_terminal();
    let asked = socket.until(asked).await.pop().unwrap();
    let approved = json!({"approvalId": asked.data()["approvalId"], "decision": "approved"});
    socket
        .send(&json!({"type": "resolve_approval", "data": approved}))
        .await;
    let end = socket.until(Frame::is_terminal).await.pop().unwrap();
    assert_eq!(end.kind(), "message_completed", "{}", end.0);
    socket.close().await;
}

/// A server that is easily brought to its limits.
pub(crate) async fn start(provider: &Provider, caller: &Provider, shop: &Shop, agents: &TempDir) -> Server {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut launch = Launch::new();
    for (name, address) in [("shop", shop.base_url()), ("away", format!("http://{nobody}"))] {
        launch = launch
            .setting(&format!("tools.{name}__kind"), "openapi")
            .setting(&format!("tools.{name}__document"), shop.document().to_str().unwrap())
            .setting(&format!("tools.{name}__base_url"), &address)
            .setting(&format!("tools.{name}__operations"), "*")
            .setting(&format!("tools.{name}__approval"), "*_refund");
    }
    launch
        .setting("agents.dir", agents.path().to_str().unwrap())
        .setting("memory.enabled", "true")
        .setting("models.caller__provider", "openai")
        .setting("models.caller__model", "gpt-4o-mini")
        .setting("models.caller__base_url", &caller.base_url())
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
